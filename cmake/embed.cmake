# Embeds files into the program.
#
#   semblance_embed_web(OUT_VARIABLE ${PROJECT_SOURCE_DIR}/web)
#
# sets OUT_VARIABLE to a .cpp in the build folder that defines semblance::service::web_files() of
# src/service/web_files.h. It is regenerated when a file of the folder is changed, added or removed.
#
#   semblance_embed_bytes(OUT_VARIABLE FILE NAME HEADER)
#
# sets it to one that defines std::span<const unsigned char> semblance::NAME(), declared in HEADER: the bytes of FILE.
# The second half is the script that writes them: cmake -DFOLDER=... -DOUTPUT=... -P embed.cmake

if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(SEMBLANCE_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
  function(semblance_embed_web variable folder)
    file(GLOB files CONFIGURE_DEPENDS ${folder}/*)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/web_files.cpp)
    add_custom_command(OUTPUT ${output}
      COMMAND ${CMAKE_COMMAND} -DFOLDER=${folder} -DOUTPUT=${output} -P ${SEMBLANCE_EMBED_SCRIPT}
      DEPENDS ${files} ${SEMBLANCE_EMBED_SCRIPT}
      COMMENT "Embedding the page" VERBATIM)
    set(${variable} ${output} PARENT_SCOPE)
  endfunction()
  function(semblance_embed_bytes variable file name header)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
    add_custom_command(OUTPUT ${output}
      COMMAND ${CMAKE_COMMAND} -DBYTES=${file} -DNAME=${name} -DHEADER=${header} -DOUTPUT=${output}
        -P ${SEMBLANCE_EMBED_SCRIPT}
      DEPENDS ${file} ${SEMBLANCE_EMBED_SCRIPT}
      COMMENT "Embedding ${name}" VERBATIM)
    set(${variable} ${output} PARENT_SCOPE)
  endfunction()
  return()
endif()

# The elements of an array of a file's bytes; short lines, so that compiler messages stay readable.
function(read_elements file variable)
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
  set(${variable} "${bytes}" PARENT_SCOPE)
endfunction()

if(DEFINED BYTES)
  read_elements(${BYTES} bytes)
  file(WRITE ${OUTPUT} "// Written by cmake/embed.cmake.
#include \"${HEADER}\"

namespace semblance {

std::span<const unsigned char> ${NAME}() {
  static constexpr unsigned char kBytes[] = {
${bytes}};
  return kBytes;
}

}  // namespace semblance
")
  return()
endif()

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_json "application/json")
set(type_svg "image/svg+xml")
set(type_webp "image/webp")

file(GLOB files ${FOLDER}/*)
list(SORT files)
set(arrays "")
set(rows "")
set(number 0)
foreach(file ${files})
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE "^.*\\." "" ending ${name})
  if(NOT DEFINED type_${ending})
    message(FATAL_ERROR "web/${name}: no content type for .${ending} files; add it to cmake/embed.cmake")
  endif()
  file(SIZE ${file} length)
  file(SHA256 ${file} hash)
  string(SUBSTRING ${hash} 0 32 etag)
  read_elements(${file} bytes)
  # Texts are served in a quarter of their bytes; pictures are compressed already.
  set(zipped_length 0)
  set(zipped "")
  if(NOT ending STREQUAL webp AND NOT name STREQUAL openapi.json)
    execute_process(COMMAND gzip -9 -n -c ${file} OUTPUT_FILE ${OUTPUT}.gz COMMAND_ERROR_IS_FATAL ANY)
    file(SIZE ${OUTPUT}.gz zipped_length)
    read_elements(${OUTPUT}.gz zipped)
    file(REMOVE ${OUTPUT}.gz)
  endif()
  # The extra last byte is not part of the file; it keeps the array from being empty.
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {\n${bytes}0};\n")
  string(APPEND arrays "constexpr unsigned char kZipped${number}[] = {\n${zipped}0};\n")
  set(path "/web/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  string(APPEND rows "    {\"${path}\", \"${type_${ending}}\", view(kFile${number}, ${length}), view(kZipped${number}, ${zipped_length}), \"\\\"${etag}\\\"\"},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${OUTPUT} "// Written by cmake/embed.cmake from the files of web/.
#include \"service/web_files.h\"

namespace semblance::service {
namespace {
${arrays}
std::string_view view(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}
const WebFile kFiles[] = {
${rows}};
}  // namespace

std::span<const WebFile> web_files() { return kFiles; }

}  // namespace semblance::service
")
