# In place of CMake's own in sanitizer builds, which clang makes: libgomp, which oneDNN uses in any case, but no parallel
# regions. The sanitizers do not see how libgomp's threads wait for each other, so core/parallel.cpp makes its own.
if(NOT TARGET OpenMP::OpenMP_CXX)
  add_library(OpenMP::OpenMP_CXX INTERFACE IMPORTED)
  set_target_properties(OpenMP::OpenMP_CXX PROPERTIES INTERFACE_LINK_LIBRARIES gomp)
endif()
set(OpenMP_FOUND TRUE)
set(OpenMP_CXX_FOUND TRUE)
