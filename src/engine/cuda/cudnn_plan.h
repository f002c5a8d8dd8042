/**
 * Convolutions as cuDNN execution plans (its backend API, 9.8 or later). A plan is made for the device of a handle, or for a device that
 * is only described: then it cannot run, but shows here and now that cuDNN has engines for every layer (tests).
 */
#ifndef SHN_ENGINE_CUDA_CUDNN_PLAN_H
#define SHN_ENGINE_CUDA_CUDNN_PLAN_H

#include <cudnn.h>

#include "engine/cuda/device.h"

/** Of the first engine that cuDNN's heuristics name and that gpu_conv_spec allows. handle NULL: for `device`, a finalized CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR. */
SHN_NODISCARD shn_status gpu_cudnn_plan(cudnnHandle_t handle, cudnnBackendDescriptor_t device, const gpu_conv_spec *spec, gpu_conv **out, shn_error *err);
SHN_NODISCARD shn_status gpu_cudnn_run(cudnnHandle_t handle, gpu_conv *conv, const void *a, const void *b, void *c, void *workspace, shn_error *err);
void gpu_cudnn_free(gpu_conv *conv);            /* accepts NULL */
/** Turns a status into an error: SHN_OK stays, SHN_NOMEM where memory did not suffice, else SHN_DEVICE. */
SHN_NODISCARD shn_status gpu_cudnn_status(cudnnStatus_t status, const char *call, shn_error *err);

#endif
