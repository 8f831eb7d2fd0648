/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step table of `create`, for the tests that make each step fail. */
#pragma once

#include "util/step.h"

extern const struct step create_steps[];
extern const size_t n_create_steps;
