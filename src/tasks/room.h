/* SPDX-License-Identifier: Apache-2.0
 * room: is the memory there that training or sampling is about to take? Asked before any of it is taken. Counted is
 * what is certain to come: the sums of plan_cost.c and, on a GPU, the convolutions' copies of the weights and the state
 * of the forward process. The workspace of convolutions comes on top; if it does not fit the allocation says so. */
#pragma once
#include "tasks/tasks.h"

/* Collective, all ranks return the same. Where it is not there: on a GPU non-zero, with one message of what is needed,
 * what is free and which settings lower it; on processors, which may swap, a warning and 0. Also non-zero, with the
 * reason, if the network does not fit images of this side. */
int room_for_training(struct job *job, int side, int channels);
int room_for_sampling(struct job *job, int side, int channels);

/* Bytes that this rank may still take of its device's memory, of the node's an equal share; INFINITY where the system
 * does not say. */
double room_of(const struct job *job);
