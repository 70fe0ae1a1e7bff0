# Compiles shaders to SPIR-V and embeds them in the program.
#
#   semblance_embed_shaders(OUT_VARIABLE FOLDER)
#
# compiles every line of FOLDER/variants.txt ("name source MACRO=VALUE...") with glslangValidator and sets OUT_VARIABLE to
# a .cpp in the build folder that defines semblance::vulkan::shaders() of src/backend/vulkan/shaders.h, with FOLDER's
# prebuilt/*.spv, too. The compiled SPIR-V files stay in the build folder's shaders/ for tests.
# The second half is the script that writes the .cpp: cmake -DSPIRV="..." -DOUTPUT=... -P shaders.cmake

if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(SEMBLANCE_SHADERS_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
  find_program(GLSLANG glslangValidator)
  if(NOT GLSLANG)
    message(FATAL_ERROR "glslangValidator compiles the shaders and is missing; install Debian's glslang-tools")
  endif()
  function(semblance_embed_shaders variable folder)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${folder}/variants.txt)
    file(GLOB includes CONFIGURE_DEPENDS ${folder}/*.glsl)
    file(STRINGS ${folder}/variants.txt lines REGEX "^[^#]")
    set(binaries ${CMAKE_CURRENT_BINARY_DIR}/shaders)
    file(MAKE_DIRECTORY ${binaries})
    set(compiled "")
    foreach(line ${lines})
      separate_arguments(words UNIX_COMMAND ${line})
      list(POP_FRONT words name source)
      list(TRANSFORM words PREPEND -D)
      set(spirv ${binaries}/${name}.spv)
      # SPIR-V 1.3, which every driver since Vulkan 1.1 reads; -g0 leaves out names.
      add_custom_command(OUTPUT ${spirv}
        COMMAND ${GLSLANG} --quiet -V -g0 --target-env vulkan1.1 ${words} -o ${spirv} ${folder}/${source}.comp
        DEPENDS ${folder}/${source}.comp ${includes}
        COMMENT "Compiling shader ${name}" VERBATIM)
      list(APPEND compiled ${spirv})
    endforeach()
    file(GLOB prebuilt CONFIGURE_DEPENDS ${folder}/prebuilt/*.spv)
    list(APPEND compiled ${prebuilt})
    set(output ${CMAKE_CURRENT_BINARY_DIR}/shaders.cpp)
    list(JOIN compiled "," joined)
    add_custom_command(OUTPUT ${output}
      COMMAND ${CMAKE_COMMAND} -DSPIRV=${joined} -DOUTPUT=${output} -P ${SEMBLANCE_SHADERS_SCRIPT}
      DEPENDS ${compiled} ${SEMBLANCE_SHADERS_SCRIPT}
      COMMENT "Embedding shaders" VERBATIM)
    set(${variable} ${output} PARENT_SCOPE)
  endfunction()
  return()
endif()

string(REPLACE "," ";" files "${SPIRV}")
set(arrays "")
set(rows "")
set(number 0)
foreach(file ${files})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} words HEX)
  string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," words "${words}")
  # Short lines, so that compiler messages stay readable.
  string(REPEAT "..........." 9 nine)
  string(REGEX REPLACE "(${nine})" "\\1\n" words "${words}")
  string(APPEND arrays "constexpr std::uint32_t kWords${number}[] = {\n${words}};\n")
  string(APPEND rows "    {\"${name}\", kWords${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${OUTPUT} "// Written by cmake/shaders.cmake.
#include \"backend/vulkan/shaders.h\"

namespace semblance::vulkan {
namespace {
${arrays}
constexpr Shader kShaders[] = {
${rows}};
}  // namespace

std::span<const Shader> shaders() { return kShaders; }

}  // namespace semblance::vulkan
")
