# Presets are compiled into presets.c by .incbin, which CMake does not see as a dependency.
file(GLOB PRESET_FILES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/presets/*.yaml)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/presets.c PROPERTIES OBJECT_DEPENDS "${PRESET_FILES}")
