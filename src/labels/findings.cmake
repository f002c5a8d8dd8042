# The finding table becomes C at build time: a small program, made of the library's own reader, checks and writes it.
list(FILTER LIBRARY_SOURCES EXCLUDE REGEX "/labels/embed/")
add_executable(embed_findings labels/embed/embed_findings.c labels/read.c labels/list.c labels/findings.c base/csv.c base/fail.c
               base/alloc.c base/file.c base/hash.c base/utf8.c)
target_link_libraries(embed_findings PRIVATE shinden_flags PkgConfig::DEPS)
set(FINDINGS_TABLE ${CMAKE_CURRENT_BINARY_DIR}/findings_table.c)
add_custom_command(OUTPUT ${FINDINGS_TABLE}
                   COMMAND embed_findings ${CMAKE_CURRENT_SOURCE_DIR}/labels/findings.csv ${FINDINGS_TABLE}
                   DEPENDS embed_findings ${CMAKE_CURRENT_SOURCE_DIR}/labels/findings.csv VERBATIM)
list(APPEND LIBRARY_SOURCES ${FINDINGS_TABLE})
