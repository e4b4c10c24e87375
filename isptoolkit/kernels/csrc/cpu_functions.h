/* Every function that is built for each instruction set, with what it takes. */
#ifndef ISPTOOLKIT_CPU_FUNCTIONS_H
#define ISPTOOLKIT_CPU_FUNCTIONS_H

#include "cpu.h"

#define ISP_FUNCTIONS(X)                 \
    X(isp_run, isp_trip)                 \
    X(isp_run_gradient, isp_trip_gradient) \
    X(isp_demosaic_adjoint, isp_adjoint) \
    X(isp_mosaic, isp_sampling)          \
    X(isp_mosaic_adjoint, isp_sampling)  \
    X(isp_pack, isp_sampling)            \
    X(isp_unpack, isp_sampling)

#endif
