# What `cmake --install` puts where: the program, the library, its headers, a pkg-config file, and the licence.
install(TARGETS shinden_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS shinden ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/shinden DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/examples/predict.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

# The library is static, so its users link what it uses: as pkg-config names where there are any, by path where not.
# The prefix is found from where the file lies: `cmake --install --prefix` and a moved tree both stay right.
file(RELATIVE_PATH SHINDEN_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
set(SHINDEN_PC_LIBS "")
foreach(library IN LISTS HDF5_C_LIBRARIES)
  string(APPEND SHINDEN_PC_LIBS " ${library}")
endforeach()
if(SHINDEN_MPI)
  foreach(library IN LISTS MPI_C_LIBRARIES)
    string(APPEND SHINDEN_PC_LIBS " ${library}")
  endforeach()
endif()
string(APPEND SHINDEN_PC_LIBS " ${DNNL_LIBRARY}")
list(JOIN SHINDEN_DEPENDENCIES " " SHINDEN_PC_REQUIRES)
configure_file(${CMAKE_CURRENT_LIST_DIR}/shinden.pc.in ${PROJECT_BINARY_DIR}/shinden.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/shinden.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
