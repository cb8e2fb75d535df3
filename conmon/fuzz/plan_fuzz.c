/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the plan's validator. What it accepts is then read from end to end, as the executor would: every string, blob and vector, so
 * that the sanitizers see any offset that leads out of the plan. */
#include "../src/monitor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char seen;

static void read_bytes(const char *p, size_t n)
{
	while (n-- > 0)
		seen ^= (unsigned char)*p++;
}

static void read_vector(const char *s, uint64_t n)
{
	for (; n > 0; n--, s += strlen(s) + 1)
		read_bytes(s, strlen(s));
}

static void read_step(const struct plan *p, const struct cr_step *s)
{
	static const char *const shapes[CR_OP_MAX] = {
#define X(name, num, shape, text) [num] = shape,
		CR_STEPS(X)
#undef X
	};
	int i = -1;
	if (s->op >= CR_OP_MAX || !shapes[s->op])
		abort();
	for (const char *c = shapes[s->op]; *c; c++) {
		bool str = strchr("stuSTU", *c) != NULL;
		if (str)
			i = (*c | 0x20) - 's';
		if (i < 0 || !s->str[i])
			continue;
		const char *text = plan_str(p, s->str[i]);
		if (*c == 'v')
			read_vector(text, i == 1 ? s->arg[0] : s->len);
		else if (*c >= '1' && *c <= '9')
			read_bytes(text, (size_t)s->len * (size_t)(*c - '0'));
		else if (str && !(c[1] >= '1' && c[1] <= '9') && c[1] != 'v')
			read_bytes(text, strlen(text));
	}
	for (int k = 0; k < 2; k++)
		if (s->fd[k] < -1 || s->fd[k] >= (int)CR_NREGS)
			abort();
	if (s->out < -1 || s->out >= (int)CR_NREGS)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan p;
	void *copy = malloc(size ? size : 1); /* of exactly this size, for the sanitizer to see its end; aligned as a mapping is */
	memcpy(copy, data, size);
	if (plan_check(&p, copy, size) == 0) {
		const char *maps[] = { plan_str(&p, p.head->uid_map), plan_str(&p, p.head->gid_map) };
		for (int i = 0; i < 2; i++)
			if (maps[i])
				read_bytes(maps[i], strlen(maps[i]));
		for (uint32_t i = 0; i < p.head->nsteps; i++)
			read_step(&p, &p.steps[i]);
	}
	free(copy);
	return 0;
}
