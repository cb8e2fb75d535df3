/* SPDX-License-Identifier: Apache-2.0
 * Runs a fuzz target without libFuzzer: every file of the corpus, then N mutations of them, the same ones for the same seed.
 *   driver N SEED CORPUS-FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_INPUT (1u << 16)

static uint64_t state;

static uint32_t rnd(uint32_t below) /* xorshift64* */
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 0x2545f4914f6cdd1dull) >> 33) % below;
}

struct input { uint8_t *data; size_t size; };

static struct input load(const char *path)
{
	struct input in = { malloc(MAX_INPUT), 0 };
	FILE *f = fopen(path, "rb");
	if (!f || !in.data) {
		perror(path);
		exit(1);
	}
	in.size = fread(in.data, 1, MAX_INPUT, f);
	fclose(f);
	return in;
}

static size_t mutate(uint8_t *b, size_t n, const struct input *other)
{
	static const uint32_t values[] = { 0, 1, 2, 3, 4, 63, 64, 127, 128, 255, 256, 511, 512, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff };
	if (n == 0)
		return 0;
	switch (rnd(8)) {
	case 0: b[rnd((uint32_t)n)] ^= (uint8_t)(1u << rnd(8)); break;
	case 1: b[rnd((uint32_t)n)] = (uint8_t)rnd(256); break;
	case 2: case 3:
		if (n >= 4)
			memcpy(b + rnd((uint32_t)n / 4) * 4, &values[rnd(sizeof values / sizeof *values)], 4);
		break;
	case 4:
		if (n >= 2)
			memcpy(b + rnd((uint32_t)n / 2) * 2, &values[rnd(sizeof values / sizeof *values)], 2);
		break;
	case 5: n = rnd((uint32_t)n) + 1; break;
	case 6:
		if (other->size > 0 && n > 0) {
			size_t from = rnd((uint32_t)other->size), to = rnd((uint32_t)n), len = rnd(64);
			for (size_t i = 0; i < len && from + i < other->size && to + i < n; i++)
				b[to + i] = other->data[from + i];
		}
		break;
	case 7:
		if (n + 8 < MAX_INPUT) {
			memset(b + n, (int)rnd(256), 8);
			n += 8;
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	static uint8_t work[MAX_INPUT];
	if (argc < 4)
		return fprintf(stderr, "usage: %s N SEED CORPUS-FILE...\n", argv[0]), 2;
	int files = argc - 3;
	struct input *corpus = calloc((size_t)files, sizeof *corpus);
	state = strtoull(argv[2], NULL, 10) | 1;
	for (int i = 0; i < files; i++) {
		corpus[i] = load(argv[i + 3]);
		LLVMFuzzerTestOneInput(corpus[i].data, corpus[i].size);
	}
	unsigned long n = strtoul(argv[1], NULL, 10);
	for (unsigned long k = 0; k < n; k++) {
		const struct input *in = &corpus[rnd((uint32_t)files)];
		size_t size = in->size;
		memcpy(work, in->data, size);
		for (uint32_t times = 1 + rnd(6); times > 0; times--)
			size = mutate(work, size, &corpus[rnd((uint32_t)files)]);
		if (size >= 16 && size != in->size && rnd(2)) /* keep a plan's own idea of its size right: else nothing behind it is reached */
			memcpy(work + 8, &(uint32_t){ (uint32_t)size }, 4);
		LLVMFuzzerTestOneInput(work, size);
	}
	printf("%s: %d seeds, %lu mutations\n", argv[0], files, n);
	for (int i = 0; i < files; i++)
		free(corpus[i].data);
	free(corpus);
	return 0;
}
