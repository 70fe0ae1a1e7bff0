# Embeds the files of the page into the program.
#
#   semblance_embed_web(OUT_VARIABLE ${PROJECT_SOURCE_DIR}/web)
#
# sets OUT_VARIABLE to a .cpp in the build folder that defines semblance::service::web_files() of
# src/service/web_files.h. It is regenerated when a file of the folder is changed, added or removed.
# The second half is the script that writes it: cmake -DFOLDER=... -DOUTPUT=... -P embed.cmake

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
  return()
endif()

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_json "application/json")
set(type_svg "image/svg+xml")

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
  file(READ ${file} bytes HEX)
  file(SHA256 ${file} hash)
  string(SUBSTRING ${hash} 0 32 etag)
  string(LENGTH "${bytes}" length)
  math(EXPR length "${length} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  # Short lines, so that compiler messages stay readable.
  string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
  # The extra last byte is not part of the file; it keeps the array from being empty.
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {\n${bytes}0};\n")
  set(path "/web/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  string(APPEND rows "    {\"${path}\", \"${type_${ending}}\", view(kFile${number}, ${length}), \"\\\"${etag}\\\"\"},\n")
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
