/* SPDX-License-Identifier: Apache-2.0
 * The CRI log: `<RFC3339Nano> <stdout|stderr> <P|F> <content>\n`, P for a part of a line that goes on in the next record. One timestamp
 * and as a rule one writev for each read. The end of a batch without a newline waits for its rest. What cannot be written (ENOSPC) is
 * counted and dropped: a full disk neither stops nor ends a workload, and never leaves a torn record behind. */
#include "monitor.h"

struct batch {
	struct slot *slot;
	char full[64], part[64]; /* the two headers of this moment */
	size_t hlen;
	int n; /* of scratch->iov */
};

static void begin(struct batch *b, struct slot *s, int stream)
{
	struct timespec t;
	struct tm tm;
	char *p = b->full;
	clock_gettime(CLOCK_REALTIME, &t);
	localtime_r(&t.tv_sec, &tm);
	p = put_number(p, (uint64_t)tm.tm_year + 1900, 4);
	const int fields[5] = { tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec };
	for (int i = 0; i < 5; i++) {
		*p++ = "--T::"[i];
		p = put_number(p, (uint64_t)fields[i], 2);
	}
	*p++ = '.';
	p = put_number(p, (uint64_t)t.tv_nsec, 9);
	if (tm.tm_gmtoff == 0) {
		*p++ = 'Z';
	} else {
		long off = tm.tm_gmtoff < 0 ? -tm.tm_gmtoff : tm.tm_gmtoff;
		*p++ = tm.tm_gmtoff < 0 ? '-' : '+';
		p = put_number(p, (uint64_t)off / 3600, 2);
		*p++ = ':';
		p = put_number(p, (uint64_t)off / 60 % 60, 2);
	}
	memcpy(p, stream ? " stderr F " : " stdout F ", 10);
	b->hlen = (size_t)(p + 10 - b->full);
	b->slot = s;
	b->n = 0;
	memcpy(b->part, b->full, b->hlen);
	b->part[b->hlen - 2] = 'P';
}

/* drop gives up on the batch from byte `off` of iov[at] on, and cuts the log back to its last whole record. */
static void drop(struct batch *b, int at, size_t off)
{
	struct stat st;
	for (; at > 0 && scratch->iov[at].iov_base != b->full && scratch->iov[at].iov_base != b->part; at--)
		off += scratch->iov[at - 1].iov_len;
	if (off > 0 && fstat(b->slot->log, &st) == 0 && st.st_size >= (off_t)off)
		(void)!ftruncate(b->slot->log, st.st_size - (off_t)off);
	for (; at < b->n; at++)
		if (scratch->iov[at].iov_base != b->full && scratch->iov[at].iov_base != b->part)
			b->slot->dropped += scratch->iov[at].iov_len;
}

static void flush(struct batch *b)
{
	int at = 0;
	size_t off = 0; /* bytes of iov[at] that are written */
	while (at < b->n) {
		struct iovec *v = scratch->iov + at, whole = *v;
		*v = (struct iovec){ (char *)whole.iov_base + off, whole.iov_len - off };
		ssize_t n = writev(b->slot->log, v, b->n - at);
		*v = whole;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			drop(b, at, off);
			break;
		}
		for (off += (size_t)n; at < b->n && off >= scratch->iov[at].iov_len; at++)
			off -= scratch->iov[at].iov_len;
	}
	b->n = 0;
}

static void put(struct batch *b, const char *text, size_t len)
{
	if (len)
		scratch->iov[b->n++] = (struct iovec){ (void *)(uintptr_t)text, len };
}

/* record adds one record of up to two pieces; only a full one brings its newline along. */
static void record(struct batch *b, bool full, struct stream *st, const char *text, size_t len)
{
	put(b, full ? b->full : b->part, b->hlen);
	put(b, st->part, st->plen);
	put(b, text, len);
	if (!full)
		put(b, "\n", 1);
	if (st->plen || b->n > (int)countof(scratch->iov) - 4)
		flush(b); /* what is in st->part must be out before it is used again */
	st->plen = 0;
}

void log_feed(struct slot *s, int stream, const char *data, size_t n)
{
	struct stream *st = &s->out[stream];
	struct batch b;
	const char *end = data + n;
	if (s->log < 0)
		return;
	begin(&b, s, stream);
	while (data < end) {
		const char *nl = memchr(data, '\n', (size_t)(end - data));
		size_t len = (size_t)((nl ? nl : end) - data);
		if (st->plen + len > LINE_MAX_LOG) {
			len = LINE_MAX_LOG - st->plen;
			record(&b, false, st, data, len);
		} else if (nl) {
			record(&b, true, st, data, ++len);
		} else {
			break;
		}
		data += len;
	}
	if (b.n)
		flush(&b);
	if (data == end)
		return;
	if (!st->part && !(st->part = map_take(LINE_MAX_LOG))) {
		record(&b, false, st, data, (size_t)(end - data));
		flush(&b);
		return;
	}
	memcpy(st->part + st->plen, data, (size_t)(end - data));
	st->plen += (uint32_t)(end - data);
}

void log_flush(struct slot *s, int stream)
{
	struct stream *st = &s->out[stream];
	struct batch b;
	if (st->plen && s->log >= 0) {
		begin(&b, s, stream);
		record(&b, false, st, NULL, 0);
	}
	map_give(st->part, LINE_MAX_LOG);
	st->part = NULL;
	st->plen = 0;
}
