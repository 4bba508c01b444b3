#include "check/run.h"

void
run_init(struct run *run, struct subject *s, int member)
{
	run->s = s;
	run->member = member;
	run->length = 0;
}

void
run_flush(struct run *run)
{
	struct report_finding finding = {
		.code = run->code, .path = run->s->path, .offset = run->offset,
		.length = run->length, .outcome = run->outcome,
	};

	if (run->length == 0)
		return;
	if (run->member >= 0)
		finding.replica = run->s->c->members[run->member].r->path;
	report_add(run->s->c->report, &finding);
	run->length = 0;
}

void
run_add(struct run *run, enum report_code code, enum report_outcome outcome,
    uint64_t offset, uint64_t length)
{
	if (run->length > 0 && run->code == code && run->outcome == outcome &&
	    run->offset + run->length == offset) {
		run->length += length;
		return;
	}
	run_flush(run);
	run->code = code;
	run->outcome = outcome;
	run->offset = offset;
	run->length = length;
}
