# The default text vectors are compiled into vectors_e5.c by .incbin, which CMake does not see as a dependency.
set(E5_FILES "")
foreach(part IN ITEMS name criterion code)
  list(APPEND E5_FILES ${PROJECT_SOURCE_DIR}/models/e5-small-${part}.safetensors)
endforeach()
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/vectors_e5.c PROPERTIES OBJECT_DEPENDS "${E5_FILES}")
