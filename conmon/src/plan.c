/* SPDX-License-Identifier: Apache-2.0
 * The plan's validator. It looks at bytes alone, so it can be fuzzed: what it lets through holds no offset, size, register or
 * count that leads out of the plan, and every string ends inside it. Whether the steps make sense is the daemon's business. */
#include "monitor.h"

#define NAMESPACES ((uint64_t)(K_CLONE_NEWTIME | K_CLONE_NEWNS | K_CLONE_NEWCGROUP | K_CLONE_NEWUTS | K_CLONE_NEWIPC | \
	K_CLONE_NEWUSER | K_CLONE_NEWPID | K_CLONE_NEWNET))

_Static_assert(sizeof(struct slot) <= 768 && sizeof(struct attacher) <= 768, "fits a cell");
_Static_assert(sizeof(struct cr_plan) == 128 && sizeof(struct cr_step) == 64 && sizeof(struct cr_msg) == 256, "no padding");

static const char *const shapes[CR_OP_MAX] = {
#define X(name, num, shape, text) [num] = shape,
	CR_STEPS(X)
#undef X
};

static bool vector_fits(const struct plan *p, uint32_t at, uint64_t n)
{
	if (n > CR_MAX_VECTOR || (n > 0 && at == 0))
		return false;
	for (const char *s = p->data + at, *end = p->data + p->datalen; n > 0; n--) {
		if (s >= end)
			return false;
		s += strlen(s) + 1; /* the data area ends with a NUL */
	}
	return true;
}

static bool register_fits(int32_t r, uint32_t limit) { return r >= -1 && r < (int32_t)limit; }

/* string_fits checks str[i] of a step, which is a string, a blob of n bytes (kind = size of its elements), or a vector (kind 'v'). */
static bool string_fits(const struct plan *p, const struct cr_step *s, int i, int kind)
{
	uint32_t at = s->str[i];
	if (at >= p->datalen)
		return false;
	if (kind == 'v')
		return vector_fits(p, at, i == 1 ? s->arg[0] : s->len);
	return kind == 0 || (at == 0 ? s->len == 0 : (uint64_t)s->len * (unsigned)kind <= p->datalen - at);
}

static bool step_fits(struct plan *p, const struct cr_step *s)
{
	const char *shape = s->op < CR_OP_MAX ? shapes[s->op] : NULL;
	if (!shape || !register_fits(s->fd[0], CR_NREGS) || !register_fits(s->fd[1], CR_NREGS) || !register_fits(s->out, CR_NREGS))
		return false;
	int kind[3] = { 0 };
	bool want[3] = { false };
	for (int i = -1; *shape; shape++) {
		const char c = *shape | 0x20;
		if ((*shape == 'f' && s->fd[0] < 0) || (*shape == 'g' && s->fd[1] < 0) || (*shape == 'o' && s->out < 0))
			return false;
		if (c >= 's' && c <= 'u')
			want[i = c - 's'] = *shape == c;
		else if (c == 'v')
			kind[i] = 'v', want[i] = i == 1; /* there is always an argv[0] */
		else if (c <= '9')
			kind[i] = c - '0';
	}
	for (int i = 0; i < 3; i++)
		if ((want[i] && !s->str[i]) || !string_fits(p, s, i, kind[i]))
			return false;
	p->stdio |= s->op == CR_OP_STDIO;
	p->pty |= s->op == CR_OP_PTY;
	return true;
}

int plan_check(struct plan *p, const void *bytes, size_t size)
{
	const struct cr_plan *h = bytes;
	memset(p, 0, sizeof *p);
	if (size < sizeof *h + sizeof(struct cr_step) + 1 || size > CR_MAX_PLAN || h->magic != CR_PLAN_MAGIC || h->size != size)
		return EINVAL;
	if (h->version != CR_PROTOCOL_VERSION)
		return EPROTONOSUPPORT;
	if (h->nsteps < 1 || h->nsteps > CR_MAX_STEPS || size - sizeof *h <= h->nsteps * sizeof(struct cr_step) || h->nfds > CR_MAX_FDS)
		return EINVAL;
	p->head = h;
	p->steps = (const void *)(h + 1);
	p->data = (const char *)(p->steps + h->nsteps);
	p->datalen = (uint32_t)(size - sizeof *h - h->nsteps * sizeof(struct cr_step));
	if (p->data[0] || p->data[p->datalen - 1] || h->uid_map >= p->datalen || h->gid_map >= p->datalen ||
	    !register_fits(h->cgroup_fd, h->nfds) || !register_fits(h->join_user, h->nfds) || !register_fits(h->join_pid, h->nfds) ||
	    h->njoins > 8 || h->njoins > h->nfds || h->join > h->nfds - h->njoins ||
	    (h->clone_flags & ~NAMESPACES) || h->oom_adj < -1000 || h->oom_adj > 1000)
		return EINVAL;
	for (uint32_t i = 0; i < h->nsteps; i++) {
		const struct cr_step *s = &p->steps[i];
		const uint32_t left = h->nsteps - 1 - i;
		if (!step_fits(p, s) || (left == 0) != (s->op == CR_OP_EXEC) || (s->skip > 0 && s->skip >= left))
			return EINVAL;
	}
	return 0;
}

int plan_map(struct plan *p, int memfd)
{
	struct stat st;
	const int seals = K_F_SEAL_WRITE | K_F_SEAL_SHRINK; /* else it could change under us, or vanish (SIGBUS) */
	if (fstat(memfd, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > CR_MAX_PLAN || (fcntl(memfd, K_F_GET_SEALS) & seals) != seals)
		return EINVAL;
	void *m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, memfd, 0);
	if (m == MAP_FAILED)
		return errno;
	int err = plan_check(p, m, (size_t)st.st_size);
	if (err)
		munmap(m, (size_t)st.st_size);
	return err;
}

void plan_unmap(struct plan *p) { munmap((void *)(uintptr_t)p->head, p->head->size); }
