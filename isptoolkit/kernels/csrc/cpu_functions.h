/* Every function that is built for each instruction set, with its argument structure. */
#ifndef ISPTOOLKIT_CPU_FUNCTIONS_H
#define ISPTOOLKIT_CPU_FUNCTIONS_H

#include "cpu.h"

#define ISP_FUNCTIONS(X)                 \
    X(isp_run, isp_launch_args)                 \
    X(isp_run_gradient, isp_gradient_args) \
    X(isp_demosaic_adjoint, isp_adjoint) \
    X(isp_mosaic, isp_sampling)          \
    X(isp_mosaic_adjoint, isp_sampling)  \
    X(isp_pack, isp_sampling)            \
    X(isp_unpack, isp_sampling)          \
    X(isp_adain_apply, isp_adain)        \
    X(isp_adain_back, isp_adain_gradient) \
    X(isp_coupling_apply, isp_coupling)  \
    X(isp_coupling_back, isp_coupling_gradient) \
    X(isp_jpeg_blocks, isp_jpeg)         \
    X(isp_jpeg_back, isp_jpeg_gradient)  \
    X(isp_jpeg_image_apply, isp_jpeg_image) \
    X(isp_jpeg_image_back, isp_jpeg_image_gradient)

#endif
