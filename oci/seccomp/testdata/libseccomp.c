/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives libseccomp for the differential tests, without its headers. Lines on stdin:
 *
 *   resolve ARCH NAME                                prints the number, -1: unknown
 *   init ACTION                                      a new filter without architectures
 *   arch ARCH
 *   rule ACTION NAME NARGS (INDEX OP VALUE VALUE2)*  numbers in hex; NAME may be a number of the native architecture, in decimal
 *   export                                           prints the program as "CODE JT JF K" lines, then "end"
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arg { unsigned index; int op; uint64_t a, b; };
struct insn { uint16_t code; uint8_t jt, jf; uint32_t k; };

static void *lib;

static void *sym(const char *name)
{
	void *p = dlsym(lib, name);
	if (!p) {
		fprintf(stderr, "%s: %s\n", name, dlerror());
		exit(3);
	}
	return p;
}

static void fail(const char *what, int err)
{
	fprintf(stderr, "%s: %d\n", what, err);
	exit(1);
}

static void rule(void *ctx, char *line)
{
	int (*add)(void *, uint32_t, int, unsigned, const struct arg *) = sym("seccomp_rule_add_array");
	int (*resolve)(const char *) = sym("seccomp_syscall_resolve_name");
	struct arg args[6];
	uint32_t action;
	unsigned n;
	char name[64];
	int used, err;

	if (sscanf(line, "rule %x %63s %u%n", &action, name, &n, &used) != 3 || n > 6)
		fail(line, 0);
	for (unsigned i = 0; i < n; i++) {
		int more;
		if (sscanf(line + used, " %u %d %lx %lx%n", &args[i].index, &args[i].op, &args[i].a, &args[i].b, &more) != 4)
			fail(line, 0);
		used += more;
	}
	/* EEXIST: another action for the same; the first stays */
	if ((err = add(ctx, action, name[0] >= '0' && name[0] <= '9' ? atoi(name) : resolve(name), n, args)) && err != -EEXIST)
		fail(line, err);
}

static void export(void *ctx)
{
	int (*bpf)(void *, int) = sym("seccomp_export_bpf");
	FILE *f = tmpfile();
	struct insn i;
	int err;

	if (!f || (err = bpf(ctx, fileno(f))))
		fail("export", err);
	rewind(f);
	while (fread(&i, sizeof i, 1, f) == 1)
		printf("%x %x %x %x\n", i.code, i.jt, i.jf, i.k);
	fclose(f);
	puts("end");
}

int main(void)
{
	char line[4096], name[64];
	void *ctx = NULL;
	uint32_t n;
	int err;

	if (!(lib = dlopen("libseccomp.so.2", RTLD_NOW)))
		return 3;
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "resolve %x %63s", &n, name) == 2) {
			int (*resolve)(uint32_t, const char *) = sym("seccomp_syscall_resolve_name_arch");
			printf("%d\n", resolve(n, name));
		} else if (sscanf(line, "init %x", &n) == 1) {
			void *(*init)(uint32_t) = sym("seccomp_init");
			void (*release)(void *) = sym("seccomp_release");
			int (*remove)(void *, uint32_t) = sym("seccomp_arch_remove");
			uint32_t (*native)(void) = sym("seccomp_arch_native");
			if (ctx)
				release(ctx);
			if (!(ctx = init(n)) || (err = remove(ctx, native())))
				fail(line, 0);
		} else if (sscanf(line, "arch %x", &n) == 1) {
			int (*add)(void *, uint32_t) = sym("seccomp_arch_add");
			if ((err = add(ctx, n)))
				fail(line, err);
		} else if (!strncmp(line, "rule ", 5)) {
			rule(ctx, line);
		} else if (!strncmp(line, "export", 6)) {
			export(ctx);
		} else {
			fail(line, 0);
		}
		fflush(stdout);
	}
	return 0;
}
