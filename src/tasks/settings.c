/* SPDX-License-Identifier: Apache-2.0
 * The settings of the tasks themselves (&run &train &sample &evaluate &limits), and all groups of a
 * deck in order. */
#include <math.h>

#include "base/die.h"
#include "tasks/settings.h"

#define MOST_STEPS 1e15

#define AT(member) offsetof(struct run_settings, member)
static const struct deck_field run_fields[] = {
    {"name", DECK_STRING, AT(name), "'run'", 0, 0, NULL, "",
     "Name of the run in reports and pictures.", 1, 0},
    {"out", DECK_STRING, AT(out), "'runs/run'", 0, 0, NULL, "",
     "Folder of everything that the run writes.", 1, 0},
    {"seed", DECK_INT, AT(seed), "1", 0, 9007199254740992.0, NULL, "",
     "Seed of all random numbers: the same seed gives the same run on any number of ranks.", 1, 0},
    {"device", DECK_STRING, AT(device), "'auto'", 0, 0, "auto|ref|cpu|cuda", "",
     "Where to compute: 'cpu', 'cuda' (NVIDIA GPU), 'ref' (slow, plain, for checking); 'auto' is "
     "the fastest there is.",
     1, 0},
    {"precision", DECK_STRING, AT(precision), "'auto'", 0, 0, "auto|fp32|bf16", "",
     "Arithmetic of the network; 'auto' is bf16 where the hardware multiplies it, else fp32.", 1,
     0},
    {"threads", DECK_INT, AT(threads), "0", 0, 4096, NULL, "",
     "Threads of each rank; 0 uses all processors that the rank may run on.", 1, 0},
    {"share_gpu", DECK_BOOL, AT(share_gpu), ".false.", 0, 0, NULL, "",
     "Allow more ranks than GPUs on a node; they then exchange data through MPI.", 1, 0},
    {"plan_ranks", DECK_INT, AT(plan_ranks), "0", 0, 1000000, NULL, "",
     "Number of ranks for which 'peclet plan' estimates; 0 is the number it runs on.", 1, 0},
    {"stages", DECK_STRING, AT(stages), "'import', 'precompute', 'train', 'sample', 'evaluate'", 0,
     0, "import|precompute|train|sample|evaluate", "",
     "What 'peclet run' does, in this order; finished stages are skipped.", MAX_STAGES,
     AT(stage_count)},
    {"walltime", DECK_REAL, AT(walltime), "0.0", 0, INFINITY, NULL, "s",
     "Time after which the run stops with a checkpoint; at the end of its Slurm job it does so by "
     "itself. 0: no other limit.",
     1, 0},
};
#undef AT

#define AT(member) offsetof(struct train_settings, member)
static const struct deck_field train_fields[] = {
    {"steps", DECK_INT, AT(steps), "10000", 0, MOST_STEPS, NULL, "", "Optimiser steps in all.", 1,
     0},
    {"batch", DECK_INT, AT(batch), "128", 1, 1e9, NULL, "pairs",
     "Pairs of images an optimiser step, over all ranks together.", 1, 0},
    {"accumulate", DECK_INT, AT(accumulate), "1", 1, 1e6, NULL, "",
     "Parts into which a rank divides its share of the batch, to need less memory.", 1, 0},
    {"target", DECK_STRING, AT(target), "'delta'", 0, 0, "delta|x0", "",
     "What the network learns: 'delta' is the step back to the level before, u_(k-1) - u_k; 'x0' "
     "the clean image, with which samples may leave out levels (sample.levels).",
     1, 0},
    {"optimizer", DECK_STRING, AT(optimizer), "'adam'", 0, 0, "adam|adamw|lion", "",
     "Rule that updates the weights.", 1, 0},
    {"beta1", DECK_REAL, AT(beta1), "0.9", 0, 1, NULL, "", "Decay of the gradient's running mean.",
     1, 0},
    {"beta2", DECK_REAL, AT(beta2), "0.999", 0, 1, NULL, "",
     "Decay of the squared gradient's running mean.", 1, 0},
    {"epsilon", DECK_REAL, AT(epsilon), "1.0e-8", 0, 1, NULL, "",
     "Added to the root of the squared gradient, against division by zero.", 1, 0},
    {"learning_rate", DECK_REAL, AT(learning_rate), "2.0e-4", 0, 10, NULL, "",
     "Size of the steps after warm-up.", 1, 0},
    {"warmup", DECK_INT, AT(warmup), "1000", 0, MOST_STEPS, NULL, "steps",
     "Steps over which the learning rate rises linearly from 0.", 1, 0},
    {"weight_decay", DECK_REAL, AT(weight_decay), "0.0", 0, 100, NULL, "",
     "How strongly weights are pulled to zero.", 1, 0},
    {"clip", DECK_REAL, AT(clip), "1.0", 0, INFINITY, NULL, "",
     "Norm to which a larger gradient is scaled down; 0 does not clip.", 1, 0},
    {"ema", DECK_REAL, AT(ema), "0.999", 0, 1, NULL, "",
     "Decay of the running mean of the weights with which samples are drawn.", 1, 0},
    {"noise", DECK_REAL, AT(noise), "0.01", 0, 100, NULL, "",
     "Standard deviation sigma_T of the noise added to the network's input, for images in [0,1].",
     1, 0},
    {"checkpoint_every", DECK_INT, AT(checkpoint_every), "1000", 0, MOST_STEPS, NULL, "steps",
     "Steps between checkpoints; 0 writes one at the end only.", 1, 0},
    {"keep", DECK_INT, AT(keep), "2", 1, 1e6, NULL, "",
     "How many of the latest checkpoints stay on disk.", 1, 0},
    {"keep_every", DECK_INT, AT(keep_every), "0", 0, MOST_STEPS, NULL, "steps",
     "Also keep for good the checkpoints at multiples of this step; 0 keeps none.", 1, 0},
    {"reduce", DECK_STRING, AT(reduce), "'fp32'", 0, 0, "fp32|bf16", "",
     "Number format in which ranks exchange gradients; bf16 halves the traffic.", 1, 0},
    {"log_every", DECK_INT, AT(log_every), "50", 1, MOST_STEPS, NULL, "steps",
     "Steps between lines of the log.", 1, 0},
    {"decay", DECK_STRING, AT(decay), "'none'", 0, 0, "none|cosine|linear", "",
     "How the learning rate falls after warm-up, to zero at train.steps.", 1, 0},
    {"init", DECK_STRING, AT(init), "''", 0, 0, NULL, "",
     "Checkpoint of another run to start from, a file or a folder of them: its averaged weights "
     "become the start; or a file network.safetensors ('peclet export', tools/import_ihd.py). '' "
     "starts from random weights.",
     1, 0},
    {"heldout", DECK_INT, AT(heldout), "256", 0, MOST_STEPS, NULL, "images",
     "Held-out images whose loss is measured with every checkpoint, level by level; 0 measures "
     "none.",
     1, 0},
};
#undef AT

#define AT(member) offsetof(struct sample_settings, member)
static const struct deck_field sample_fields[] = {
    {"count", DECK_INT, AT(count), "64", 1, MOST_STEPS, NULL, "images",
     "Samples to draw, over all ranks together.", 1, 0},
    {"batch", DECK_INT, AT(batch), "64", 1, 1e9, NULL, "images",
     "Samples that a rank draws at a time.", 1, 0},
    {"noise", DECK_REAL, AT(noise), "0.0125", 0, 100, NULL, "",
     "Standard deviation sigma_S of the noise added in every step; 1.25 times train.noise works "
     "best, twice as much "
     "destroys the samples.",
     1, 0},
    {"prior_split", DECK_STRING, AT(prior_split), "'test'", 0, 0, "train|test|both", "",
     "Images whose fully corrupted form the samples start from: those trained on, those held out, "
     "or 'both': the first half of the samples from held-out images, the others from those trained "
     "on, with scores of their own.",
     1, 0},
    {"sampler", DECK_STRING, AT(sampler), "'chain'", 0, 0, "chain", "",
     "How to get from the prior to an image: 'chain' goes down level by level.", 1, 0},
    {"interpolate", DECK_INT, AT(interpolate), "0", 0, 10000, NULL, "images",
     "Also walk from mixtures of two samples' starts, so many between the two; 0 draws none.", 1,
     0},
    {"levels", DECK_INT, AT(levels), "0", 0, 1e6, NULL, "",
     "How many of the levels a sample goes through, evenly spaced; fewer than forward.levels need "
     "train.target = 'x0'. 0 is all.",
     1, 0},
};
#undef AT

#define AT(member) offsetof(struct evaluate_settings, member)
static const struct deck_field evaluate_fields[] = {
    {"real", DECK_STRING, AT(real), "''", 0, 0, NULL, "",
     "Images to compare with: HDF5 file, folder or ZIP; '' is the run's own data set.", 1, 0},
    {"fake", DECK_STRING, AT(fake), "''", 0, 0, NULL, "",
     "Images to be scored: HDF5 file, folder or ZIP; '' is the run's own samples.", 1, 0},
    {"metrics", DECK_STRING, AT(metrics), "'fd', 'prdc', 'nearest'", 0, 0,
     "fd|prdc|nearest|lpips|spectrum", "",
     "Scores to compute: Frechet distance, precision/recall/density/coverage, nearest training "
     "image, LPIPS "
     "diversity, power spectrum.",
     MAX_METRICS, AT(metric_count)},
    {"features", DECK_STRING, AT(features), "'pixels', 'random'", 0, 0,
     "pixels|random|squeezenet|inception", "",
     "What 'fd' and 'prdc' compare: 2x2 means of pixels, fixed random convolutions, or a trained "
     "network's features.",
     MAX_METRICS, AT(feature_count)},
    {"weights", DECK_STRING, AT(weights), "''", 0, 0, NULL, "",
     "File (safetensors) with the weights of the trained network: SqueezeNet 1.1 for 'squeezenet' "
     "and for 'lpips'. tools/convert_weights.py makes such files.",
     1, 0},
    {"inception_weights", DECK_STRING, AT(inception_weights), "''", 0, 0, NULL, "",
     "The same for 'inception'; '' is the file of 'weights'. Only with the weights of 2015-12-05 "
     "is a distance called FID.",
     1, 0},
    {"fid_resize", DECK_STRING, AT(fid_resize), "'pytorch'", 0, 0, "pytorch|clean", "",
     "How images get to the 299 px of 'inception': as pytorch-fid (bilinear) or as clean-fid "
     "(bicubic, antialiased).",
     1, 0},
    {"lpips_trunk", DECK_STRING, AT(lpips_trunk), "'squeeze'", 0, 0, "squeeze|alex|vgg", "",
     "Network whose maps 'lpips' compares.", 1, 0},
    {"trunk_weights", DECK_STRING, AT(trunk_weights), "''", 0, 0, NULL, "",
     "Weights of that network; '' is the file of 'weights'.", 1, 0},
    {"lpips_weights", DECK_STRING, AT(lpips_weights), "''", 0, 0, NULL, "",
     "Linear layers of LPIPS 0.1 for that network (safetensors).", 1, 0},
    {"prdc_k", DECK_INT, AT(prdc_k), "5", 1, 1000, NULL, "",
     "Number of nearest neighbours that make an image's neighbourhood in 'prdc'.", 1, 0},
    {"max_real", DECK_INT, AT(max_real), "0", 0, MOST_STEPS, NULL, "images",
     "Use only the first so many real images; 0 uses all.", 1, 0},
    {"max_fake", DECK_INT, AT(max_fake), "0", 0, MOST_STEPS, NULL, "images",
     "Use only the first so many images to be scored; 0 uses all.", 1, 0},
    {"lpips_repeats", DECK_INT, AT(lpips_repeats), "2", 1, 10000, NULL, "",
     "For 'lpips': samples from each seed image, each paired with its clean image; the spread over "
     "them is reported.",
     1, 0},
};
#undef AT

#define AT(member) offsetof(struct limits_settings, member)
static const struct deck_field limits_fields[] = {
    {"setup", DECK_REAL, AT(setup), "600.0", 0, INFINITY, NULL, "s",
     "Start of a stage: if it takes longer, the job is ended; 0 waits for ever.", 1, 0},
    {"step", DECK_REAL, AT(step), "180.0", 0, INFINITY, NULL, "s",
     "One step of computing: if it takes longer, the job is ended; 0 waits for ever.", 1, 0},
    {"files", DECK_REAL, AT(files), "600.0", 0, INFINITY, NULL, "s",
     "One transfer to or from a file: if it takes longer, the job is ended; 0 waits for ever.", 1,
     0},
};
#undef AT

#define COUNT(table) ((int)(sizeof table / sizeof *table))

void settings_init(struct settings *s)
{
    const struct deck_group groups[] = {
        {"run", "what to do, where to write it, on which hardware", run_fields, COUNT(run_fields),
         &s->run},
        {"dataset", "the images to learn from", dataset_fields, dataset_field_count, &s->dataset},
        {"forward", "how images are corrupted, level by level", forward_fields, forward_field_count,
         &s->forward},
        {"velocity", "the flow that carries the image", velocity_fields, velocity_field_count,
         &s->velocity},
        {"lbm", "the lattice Boltzmann solver", lbm_fields, lbm_field_count, &s->lbm},
        {"store", "the file of corrupted images", store_fields, store_field_count, &s->store},
        {"network", "what undoes the corruption", network_fields, network_field_count, &s->network},
        {"unet", "the U-Net", unet_fields, unet_field_count, &s->unet},
        {"train", "training of the network", train_fields, COUNT(train_fields), &s->train},
        {"sample", "drawing new images", sample_fields, COUNT(sample_fields), &s->sample},
        {"evaluate", "scores of the new images", evaluate_fields, COUNT(evaluate_fields),
         &s->evaluate},
        {"limits", "seconds without progress after which a hung job is ended", limits_fields,
         COUNT(limits_fields), &s->limits},
    };
    REQUIRE(COUNT(groups) <= COUNT(s->groups));
    s->group_count = COUNT(groups);
    for (int g = 0; g < s->group_count; g++)
        s->groups[g] = groups[g];
    deck_defaults(s->groups, s->group_count);
}
