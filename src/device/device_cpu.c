/* SPDX-License-Identifier: Apache-2.0
 * The fast processor device: memory of the host, the table, one arena of scratch. Convolutions
 * through oneDNN, the rest in own loops that are compiled for several instruction sets (simd/) and
 * dealt out by OpenMP (cpu_*.c). */
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "device/concat_norm.h"
#include "device/cpu.h"
#include "device/fft_cpu.h"
#include "device/ref.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

SIMD_DEFINE_BEST(norm)
SIMD_DEFINE_BEST(nn)
SIMD_DEFINE_BEST(flat)

void *cpu_scratch(struct device *d, size_t bytes)
{
    struct cpu *cpu = cpu_of(d);
    if (bytes > cpu->scratch_bytes) {
        mem_free(cpu->scratch);
        cpu->scratch = mem_alloc(bytes);
        cpu->scratch_bytes = bytes;
    }
    return cpu->scratch;
}

static void cpu_destroy(struct device *d)
{
    struct cpu *cpu = cpu_of(d);
    mem_free(cpu->scratch);
    onednn_close(cpu->onednn);
    mem_free(cpu);
    mem_free(d);
}

static const struct device_ops cpu_ops = {
    .alloc = ref_alloc,
    .free = ref_free,
    .room = ref_room,
    .upload = cpu_copy,
    .download = cpu_copy,
    .download_start = cpu_copy,
    .copy = cpu_copy,
    .zero = cpu_zero,
    .sync = ref_sync,
    .host_alloc = ref_host_alloc,
    .host_free = ref_host_free,
    .repeat_begin = ref_repeat_begin,
    .repeat_end = ref_repeat_end,
    .repeat_free = ref_repeat_end,
    .adr_create = cpu_adr_create,
    .adr_destroy = cpu_adr_destroy,
    .adr_run = cpu_adr_run,
    .adr_velocity = cpu_adr_velocity,
    .conv_create = cpu_conv_create,
    .conv_destroy = cpu_conv_destroy,
    .conv_weights = cpu_conv_weights,
    .conv_forward = cpu_conv_forward,
    .conv_backward_data = cpu_conv_backward_data,
    .conv_backward_weights = cpu_conv_backward_weights,
    .norm_forward = cpu_norm_forward,
    .norm_backward = cpu_norm_backward,
    .silu_forward = cpu_silu_forward,
    .silu_backward = cpu_silu_backward,
    .embed = cpu_embed,
    .upsample_forward = cpu_upsample_forward,
    .upsample_backward = cpu_upsample_backward,
    .concat_forward = cpu_concat_forward,
    .concat_backward = cpu_concat_backward,
    .concat_norm_forward = concat_norm_forward_by_parts,
    .concat_norm_backward = concat_norm_backward_by_parts,
    .add = cpu_add,
    .attention_forward = cpu_attention_forward,
    .attention_backward = cpu_attention_backward,
    .dropout = cpu_dropout,
    .squared_error = cpu_squared_error,
    .adam = cpu_adam,
    .lion = cpu_lion,
    .sum_squares = cpu_sum_squares,
    .axpby = cpu_axpby,
    .add_normal = cpu_add_normal,
    .cast = cpu_cast,
    .relu = cpu_relu,
    .pool = cpu_pool,
    .pixel_mean = cpu_pixel_mean,
    .destroy = cpu_destroy,
};

/* Denormal numbers cost a hundred cycles each and carry nothing here: dark image regions decay into
 * them. The calling thread, one of the team, keeps this mode afterwards. */
static void flush_denormals(int threads)
{
#pragma omp parallel num_threads(threads)
    {
#if defined(__x86_64__)
        _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
#endif
    }
}

/* "model name" of /proc/cpuinfo. */
static void processor_name(size_t bytes, char *name)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(name, bytes, "processor");
    while (f && fgets(line, sizeof line, f)) {
        char *value = strchr(line, ':');
        if (value && strncmp(line, "model name", 10) == 0) {
            value[strcspn(value, "\n")] = '\0';
            snprintf(name, bytes, "%s", value + 2);
            break;
        }
    }
    if (f)
        fclose(f);
}

int device_cpu_create(int threads, struct device **out)
{
    static const char *const isa[] = {"generic", "avx2", "avx512"};
    REQUIRE(threads >= 1);
    struct device *d = mem_zalloc(sizeof *d);
    struct cpu *cpu = mem_zalloc(sizeof *cpu);
    omp_set_num_threads(threads); /* oneDNN plans for this number */
    flush_denormals(threads);
    cpu->onednn = onednn_open();
    cpu->norm = simd_norm_best();
    cpu->nn = simd_nn_best();
    cpu->flat = simd_flat_best();
    char processor[64], library[48];
    processor_name(sizeof processor, processor);
    cpu->bf16 = onednn_describe(sizeof library, library);
    d->bf16_fast = cpu->bf16 == 2;
    snprintf(d->description, sizeof d->description, "%s, %s, %d thread%s, %s", processor,
             isa[simd_level()], threads, threads == 1 ? "" : "s", library);
    snprintf(d->libraries, sizeof d->libraries, "%s%s%s", library, *fft_cpu_library() ? ", " : "",
             fft_cpu_library());
    d->ops = &cpu_ops;
    d->name = "cpu";
    d->threads = threads;
    d->state = cpu;
    *out = d;
    return 0;
}
