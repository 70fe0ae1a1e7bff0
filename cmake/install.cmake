# cmake --install: the program, the library with its headers, the files for find_package(semblance) and
# pkg-config, and the documents.
include(CMakePackageConfigHelpers)

install(TARGETS semblance_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS libsemblance EXPORT semblance_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/semblance DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/packaging/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/packaging)
install(FILES ${PROJECT_SOURCE_DIR}/src/text/clip/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME LICENSE.clip)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/models/demo/ DESTINATION ${CMAKE_INSTALL_DATADIR}/semblance/demo)
install(FILES ${PROJECT_SOURCE_DIR}/examples/portrait.cpp ${PROJECT_SOURCE_DIR}/examples/portrait_c.c
  ${PROJECT_SOURCE_DIR}/examples/portrait.py
  ${PROJECT_SOURCE_DIR}/examples/CMakeLists.txt DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/semblance)
install(EXPORT semblance_targets NAMESPACE semblance:: FILE semblanceConfig.cmake
  DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/semblanceConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/semblanceConfigVersion.cmake DESTINATION ${package_folder})

# Relative to the .pc file's folder, so that `cmake --install --prefix` can choose another place.
file(RELATIVE_PATH include_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(${PROJECT_SOURCE_DIR}/cmake/semblance.pc.in ${PROJECT_BINARY_DIR}/semblance.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/semblance.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
