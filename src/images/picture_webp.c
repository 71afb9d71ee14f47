/* SPDX-License-Identifier: Apache-2.0
 * WebP through libwebp, lossy and lossless; alpha is dropped; an animation is refused. */
#include <webp/decode.h>

#include "images/readers.h"

static const char *reason(VP8StatusCode status)
{
    return status == VP8_STATUS_NOT_ENOUGH_DATA       ? "truncated"
           : status == VP8_STATUS_OUT_OF_MEMORY       ? "no memory"
           : status == VP8_STATUS_UNSUPPORTED_FEATURE ? "a kind that libwebp does not know"
                                                      : "its data make no sense";
}

int picture_decode_webp(const uint8_t *bytes, size_t count, struct picture *out,
                        char fault[IMAGE_FAULT])
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return picture_fault(fault, "libwebp is of another version than its header");
    VP8StatusCode status = WebPGetFeatures(bytes, count, &config.input);
    if (status != VP8_STATUS_OK)
        return picture_fault(fault, "damaged WebP: %s", reason(status));
    if (config.input.has_animation)
        return picture_fault(fault, "an animated WebP; only still pictures are read");
    if (picture_reserve(out, config.input.width, config.input.height, 3, fault))
        return IMAGE_DAMAGED;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->pixels;
    config.output.u.RGBA.stride = 3 * out->width;
    config.output.u.RGBA.size = (size_t)out->width * (size_t)out->height * 3;
    status = WebPDecode(bytes, count, &config);
    WebPFreeDecBuffer(&config.output);
    return status == VP8_STATUS_OK ? 0 : picture_fault(fault, "damaged WebP: %s", reason(status));
}
