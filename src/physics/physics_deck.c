/* SPDX-License-Identifier: Apache-2.0
 * The settings of the forward process: &forward, &velocity, &lbm. Ranges here are those of the
 * number alone; what depends on several of them (stability, resolution) is checked when the plan is
 * made. */
#include <math.h>

#include "physics/physics.h"

#define AT(member) offsetof(struct forward_settings, member)
const struct deck_field forward_fields[] = {
    {"process", DECK_STRING, AT(process), "'adr'", 0, 0, "adr|heat", "",
     "What corrupts the images: 'adr' is advection and diffusion by a lattice Boltzmann solver, "
     "'heat' is blur alone, "
     "computed exactly (pe and &velocity have no effect).",
     1, 0},
    {"mode", DECK_STRING, AT(mode), "'transport'", 0, 0, "faithful|transport", "",
     "How velocity acts: 'transport' moves the picture about with an exactly divergence-free flow, "
     "'faithful' repeats "
     "the published set-up, where velocity shows as brightness noise.",
     1, 0},
    {"levels", DECK_INT, AT(levels), "200", 1, 100000, NULL, "",
     "Number K of corruption levels between the clean image (0) and the prior (K); sampling takes "
     "as many network "
     "evaluations.",
     1, 0},
    {"sigma_min", DECK_REAL, AT(sigma_min), "0.5", 1e-3, 1e4, NULL, "px",
     "Blur at level 1: the standard deviation of the Gaussian that diffusion alone would apply.", 1,
     0},
    {"sigma_max", DECK_REAL, AT(sigma_max), "8.0", 1e-3, 1e4, NULL, "px",
     "Blur at the last level; levels between are spaced evenly in log(sigma). 8 suits 28 px "
     "images, 16 to 20 suits "
     "128 px.",
     1, 0},
    {"fo_min", DECK_REAL, AT(fo_min), "0.0", 0, 1e4, NULL, "",
     "Fourier number sigma^2 / (2 L^2) at level 1, independent of the resolution; used instead of "
     "sigma_min unless 0.",
     1, 0},
    {"fo_max", DECK_REAL, AT(fo_max), "0.0", 0, 1e4, NULL, "",
     "Fourier number at the last level, used instead of sigma_max unless 0.", 1, 0},
    {"pe", DECK_REAL, AT(pe), "4.0", 0, 1e6, NULL, "",
     "Peclet number V L / alpha, how strongly the flow moves the image against diffusion: 0 is "
     "blur alone; pixels "
     "move about pe sigma^2 / (2 L) px.",
     1, 0},
};
const int forward_field_count = sizeof forward_fields / sizeof *forward_fields;
#undef AT

#define AT(member) offsetof(struct velocity_settings, member)
const struct deck_field velocity_fields[] = {
    {"kind", DECK_STRING, AT(kind), "'turbulent'", 0, 0,
     "turbulent|compressible|solenoidal|streamfunction|uniform|rotation|shear|file", "",
     "The flow: 'turbulent' is the random spectrum that belongs to forward.mode; the three named "
     "spectra choose one "
     "whatever the mode; the rest are fixed flows for tests, and your own from a file.",
     1, 0},
    {"slope", DECK_REAL, AT(slope), "2.0", -20, 20, NULL, "",
     "Exponent p of the amplitudes kappa^-p of the flow's waves: larger means larger eddies.", 1,
     0},
    {"n_min", DECK_INT, AT(n_min), "1", 0, 1000000, NULL, "waves",
     "Longest waves of the spectrum, as a number of waves a side (half waves for a "
     "streamfunction).",
     1, 0},
    {"n_max", DECK_INT, AT(n_max), "0", 0, 1000000, NULL, "waves",
     "Shortest waves of the spectrum, as a number of waves a side; 0 takes all that the grid "
     "holds.",
     1, 0},
    {"drift", DECK_REAL, AT(drift), "0.0", -1e6, 1e6, NULL, "",
     "How fast the phases of the flow turn: 0 is the mode's own rate, less than 0 freezes the "
     "flow.",
     1, 0},
    {"cap", DECK_REAL, AT(cap), "0.0", 0, 1e6, NULL, "",
     "Limit on speed: 0 is the mode's own. In transport mode the largest |vx| + |vy| allowed, as a "
     "fraction of cs^2 "
     "(0.99 keeps every pixel in range); a field above it is scaled down as a whole.",
     1, 0},
    {"realisations", DECK_INT, AT(realisations), "0", 0, 1e15, NULL, "",
     "Number of different flows that the images share; 0 gives every image its own.", 1, 0},
    {"refresh", DECK_INT, AT(refresh), "0", 0, 1000000000, NULL, "steps",
     "Lattice steps for which one velocity field is held; 0 holds it for the whole of a level.", 1,
     0},
    {"path", DECK_STRING, AT(path), "''", 0, 0, NULL, "",
     "For kind 'file': an HDF5 file with /velocity float32 [T,2,H,W], components vx, vy; scaled as "
     "a whole to pe.",
     1, 0},
};
const int velocity_field_count = sizeof velocity_fields / sizeof *velocity_fields;
#undef AT

#define AT(member) offsetof(struct lbm_settings, member)
const struct deck_field lbm_fields[] = {
    {"collision", DECK_STRING, AT(collision), "'equilibrium'", 0, 0,
     "equilibrium|bgk|trt|regularized", "",
     "Collision rule of the lattice Boltzmann solver: 'equilibrium' is the most accurate and the "
     "fastest, 'bgk' the "
     "published one, 'trt' and 'regularized' serve comparison.",
     1, 0},
    {"alpha_max", DECK_REAL, AT(alpha_max), "0.0", 0, 1, NULL, "px^2/step",
     "Largest diffusivity of a lattice step, from which the number of steps a level follows; 0 is "
     "1/6.",
     1, 0},
    {"walls", DECK_STRING, AT(walls), "'auto'", 0, 0, "auto|bounce_back|mirror|periodic", "",
     "What happens at the image's edge; 'auto' is the mode's own: mirror in transport, bounce_back "
     "in faithful. "
     "'periodic' is for tests.",
     1, 0},
    {"order", DECK_INT, AT(order), "0", 0, 2, NULL, "",
     "Order in the velocity of the solver's equilibrium; 0 is the mode's own: 1 in transport, 2 in "
     "faithful.",
     1, 0},
    {"value_range", DECK_REAL, AT(value_range), "0.0, 0.0", -1e6, 1e6, NULL, "",
     "Values that black and white have inside the solver; two equal numbers stand for the mode's "
     "own: 0, 1 in "
     "transport, 0.95, 1.05 in faithful.",
     2, AT(value_range_count)},
};
const int lbm_field_count = sizeof lbm_fields / sizeof *lbm_fields;
