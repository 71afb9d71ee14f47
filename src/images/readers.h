/* SPDX-License-Identifier: Apache-2.0
 * readers: one function a format, for image_source_open. */
#pragma once
#include "images/images.h"

int idx_open(const char *path, struct image_source **out);
