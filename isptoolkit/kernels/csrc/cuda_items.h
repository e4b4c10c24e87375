/* A loop over items, of which each thread of a one-dimensional grid takes its share. */
#ifndef ISPTOOLKIT_CUDA_ITEMS_H
#define ISPTOOLKIT_CUDA_ITEMS_H

#include "cuda_steps.h"

#define EACH_ITEM(count) \
    for (isp_long at = (isp_long)blockIdx.x * blockDim.x + threadIdx.x; at < (count); at += (isp_long)gridDim.x * blockDim.x)

#endif
