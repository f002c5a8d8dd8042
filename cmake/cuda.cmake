# CUDA for the engine of src/engine/cuda: nvcc for the kernels, cuDNN and cuBLAS for the rest. Code for Ampere and Hopper, and PTX from which the
# driver makes code for later GPUs. No host is asked what it has: a build machine needs no GPU.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(SHINDEN_NVCC nvcc PATHS /usr/local/cuda/bin REQUIRED)
  set(CMAKE_CUDA_COMPILER ${SHINDEN_NVCC})
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)          # 90: code and PTX
endif()
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
enable_language(CUDA)
find_package(CUDAToolkit 12.0 REQUIRED)
find_path(CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}/lib REQUIRED)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)             # cuDNN seldom lies where the loader looks
add_library(shinden_cuda INTERFACE)
target_include_directories(shinden_cuda SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS} ${CUDNN_INCLUDE})
target_link_libraries(shinden_cuda INTERFACE ${CUDNN_LIBRARY} CUDA::cublas CUDA::cudart)
# --fmad=false: a*b + c is two roundings on the GPU, too, so that kernels give the same bits as their loops on the host
add_compile_options($<$<COMPILE_LANGUAGE:CUDA>:--fmad=false> "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>")
if(SHINDEN_WERROR)
  add_compile_options("$<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>" "$<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=-warn-spills,-Werror>")
endif()
