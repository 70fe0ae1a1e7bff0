# In place of CMake's own in fuzz builds: no OpenMP. Fuzz targets run on one thread (core/parallel.cpp), so that no
# second thread muddles a crash and clang's OpenMP library is not needed.
if(NOT TARGET OpenMP::OpenMP_CXX)
  add_library(OpenMP::OpenMP_CXX INTERFACE IMPORTED)
endif()
set(OpenMP_FOUND TRUE)
set(OpenMP_CXX_FOUND TRUE)
