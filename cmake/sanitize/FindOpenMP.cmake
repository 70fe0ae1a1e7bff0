# Replaces CMake's own module in sanitizer builds (clang). Links libgomp, which oneDNN uses anyway, but without parallel
# regions: the sanitizers cannot follow how libgomp's threads wait, so core/parallel.cpp uses its own threads.
if(NOT TARGET OpenMP::OpenMP_CXX)
  add_library(OpenMP::OpenMP_CXX INTERFACE IMPORTED)
  set_target_properties(OpenMP::OpenMP_CXX PROPERTIES INTERFACE_LINK_LIBRARIES gomp)
endif()
set(OpenMP_FOUND TRUE)
set(OpenMP_CXX_FOUND TRUE)
