# Each room is one library and one test program.
#
#   semblance_room(image DEPS core LIBS JPEG::JPEG PNG::PNG)
#
# builds the static library semblance_image from every .cpp in the folder and below, except *_test.cpp. Every
# *_test.cpp goes into the test program image_test, labelled "image", and every *_slow_test.cpp into
# image_slow_test, labelled "slow" (skip it with `ctest -LE slow`). Sanitizer builds have no slow tests.
# Every *_card_test.cpp goes into image_card_test, which computes on a graphics card: ctest runs it on lavapipe, under
# Vulkan's validation layer, or skips it if tools/vulkan_root.sh has not made its folder. Cases named *Planted* break a
# rule for tests of the layer itself; they are not among them.
# DEPS are rooms, LIBS are libraries private to the room, TEST_DEPS and TEST_LIBS are only for its tests. With
# TESTS_ONE_BY_ONE, tests are never compiled together: their helpers share names.

add_library(semblance_options INTERFACE)
target_compile_options(semblance_options INTERFACE -Wall -Wextra -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 wrongly reports overlaps in "literal" + std::string (GCC bug 105329).
  target_compile_options(semblance_options INTERFACE -Wno-restrict)
endif()
target_include_directories(semblance_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
if(SEMBLANCE_SANITIZE)
  target_compile_options(semblance_options INTERFACE -fsanitize=${SEMBLANCE_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(semblance_options INTERFACE -fsanitize=${SEMBLANCE_SANITIZE})
  # Warnings do not fail sanitizer builds; the g++ presets already treat them as errors.
  target_compile_options(semblance_options INTERFACE -Wno-error)
  target_compile_definitions(semblance_options INTERFACE SEMBLANCE_SANITIZED)
  list(PREPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR}/sanitize)
endif()
if(SEMBLANCE_FUZZ)
  target_compile_options(semblance_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
# Tests and fuzz targets find their data under SEMBLANCE_SOURCE_DIR. Libraries do not have the definition, so that ccache
# serves their objects to every working tree.
add_library(semblance_test_options INTERFACE)
target_link_libraries(semblance_test_options INTERFACE semblance_options)
target_compile_definitions(semblance_test_options INTERFACE SEMBLANCE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
if(SEMBLANCE_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# Only the tested code needs full optimisation; without it the tests compile in two thirds of the time.
set(test_optimisation -O1)
if(SEMBLANCE_SANITIZE)
  set(test_optimisation -O0)
endif()

# A build from scratch compiles sixteen sources of a library at once, or eight tests, those with precompiled headers.
# With ccache, sources are compiled one by one, which also shows that each includes what it uses; the sanitizer builds
# never are, because every ./check makes them from scratch.
set(from_scratch OFF)
if(SEMBLANCE_SANITIZE OR NOT CCACHE)
  set(from_scratch ON)
endif()
if(from_scratch AND SEMBLANCE_TESTS)
  find_package(fmt REQUIRED)
  find_package(nlohmann_json REQUIRED)
  file(WRITE ${CMAKE_BINARY_DIR}/no_program.cpp "int main() {}")
  add_executable(semblance_test_headers ${CMAKE_BINARY_DIR}/no_program.cpp)
  target_compile_options(semblance_test_headers PRIVATE ${test_optimisation})
  target_link_libraries(semblance_test_headers PRIVATE semblance_test_options fmt::fmt nlohmann_json::nlohmann_json GTest::gtest)
  target_precompile_headers(semblance_test_headers PRIVATE <algorithm> <filesystem> <functional> <map> <memory>
    <optional> <string> <vector> <fmt/format.h> <nlohmann/json.hpp> <gtest/gtest.h>)
endif()

# Compiles COUNT of the target's sources at once; those with a line that matches ALONE, by themselves.
function(semblance_compile_together target count alone)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${count})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # It takes the sources for headers, whose classes should have no members of anonymous types.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
  foreach(source ${ARGN})
    file(STRINGS ${source} is_alone REGEX ${alone} LIMIT_COUNT 1)
    if(is_alone)
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endfunction()

# A program of gtest cases.
function(semblance_test_program name)
  cmake_parse_arguments(T "ONE_BY_ONE" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE semblance_test_options ${T_LIBS} GTest::gtest GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${test_optimisation})
  if(from_scratch)
    # With precompiled headers g++ 12 wrongly reports bounds, and it does not use them with OpenMP.
    target_compile_options(${name} PRIVATE -Wno-error=array-bounds -Wno-error=stringop-overflow -Wno-error=invalid-pch)
    target_precompile_headers(${name} REUSE_FROM semblance_test_headers)
    if(NOT T_ONE_BY_ONE)
      # Where a test replaces the operator, g++ warns of the others' pairs that do not match.
      semblance_compile_together(${name} 8 "operator new" ${T_SOURCES})
    endif()
  endif()
endfunction()

# The same, of which each case is a test; LABEL groups them for ctest -L.
function(semblance_test name label)
  semblance_test_program(${name} ${ARGN})
  set(timeout 600)
  if(label STREQUAL slow)
    set(timeout 1800)
  endif()
  # Passive waiting: spinning threads are slow when tests share the cores.
  gtest_discover_tests(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout} ENVIRONMENT OMP_WAIT_POLICY=passive
    DISCOVERY_TIMEOUT 60)
endfunction()

function(semblance_card_test room)
  set(name ${room}_card_test)
  semblance_test_program(${name} ${ARGN})
  add_test(NAME ${name} COMMAND ${PROJECT_SOURCE_DIR}/tools/vulkan_run --validate lavapipe $<TARGET_FILE:${name}>
    --gtest_filter=-*Planted*)
  # The first run compiles shaders for minutes. COST: tests that take long begin first.
  set_tests_properties(${name} PROPERTIES LABELS ${room} TIMEOUT 1800 COST 200 SKIP_RETURN_CODE 77
    ENVIRONMENT OMP_WAIT_POLICY=passive)
endfunction()

function(semblance_room room)
  cmake_parse_arguments(ROOM "TESTS_ONE_BY_ONE" "" "DEPS;LIBS;TEST_DEPS;TEST_LIBS" ${ARGN})
  set(one_by_one "")
  if(ROOM_TESTS_ONE_BY_ONE)
    set(one_by_one ONE_BY_ONE)
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  set(slow_tests ${tests})
  set(card_tests ${tests})
  list(FILTER tests EXCLUDE REGEX "_(slow|card)_test\\.cpp$")
  list(FILTER slow_tests INCLUDE REGEX "_slow_test\\.cpp$")
  list(FILTER card_tests INCLUDE REGEX "_card_test\\.cpp$")
  list(TRANSFORM ROOM_DEPS PREPEND semblance_)
  list(TRANSFORM ROOM_TEST_DEPS PREPEND semblance_)
  add_library(semblance_${room} STATIC ${sources})
  set_target_properties(semblance_${room} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(semblance_${room} PUBLIC semblance_options ${ROOM_DEPS} PRIVATE ${ROOM_LIBS})
  if(from_scratch)
    # Highway compiles sources with foreach_target several times, for one processor each.
    semblance_compile_together(semblance_${room} 16 foreach_target ${sources})
  endif()
  if(SEMBLANCE_TESTS AND tests)
    semblance_test(${room}_test ${room} ${one_by_one} SOURCES ${tests}
      LIBS semblance_${room} ${ROOM_TEST_DEPS} ${ROOM_LIBS} ${ROOM_TEST_LIBS})
  endif()
  if(SEMBLANCE_TESTS AND slow_tests AND NOT SEMBLANCE_SANITIZE)
    semblance_test(${room}_slow_test slow ${one_by_one} SOURCES ${slow_tests}
      LIBS semblance_${room} ${ROOM_TEST_DEPS} ${ROOM_LIBS} ${ROOM_TEST_LIBS})
  endif()
  # Sanitizers do not start under the folder's libc.
  if(SEMBLANCE_TESTS AND card_tests AND NOT SEMBLANCE_SANITIZE)
    semblance_card_test(${room} ${one_by_one} SOURCES ${card_tests}
      LIBS semblance_${room} ${ROOM_TEST_DEPS} ${ROOM_LIBS} ${ROOM_TEST_LIBS})
  endif()
endfunction()
