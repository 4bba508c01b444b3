# systemd's units, with the programs' places filled in.
systemd_units = \
	tools/systemd/mendd.service \
	tools/systemd/mendd.socket \
	tools/systemd/mendfs@.service \
	tools/systemd/mendfs-scrub@.service \
	tools/systemd/mendfs-scrub@.timer
EXTRA_DIST += \
	tools/systemd/mendd.service.in \
	tools/systemd/mendd.socket.in \
	tools/systemd/mendfs@.service.in \
	tools/systemd/mendfs-scrub@.service.in \
	tools/systemd/mendfs-scrub@.timer.in
CLEANFILES += $(systemd_units)
if SYSTEMD_UNITS
systemdsystemunit_DATA = $(systemd_units)
endif

$(systemd_units): Makefile
	$(AM_V_GEN)$(MKDIR_P) tools/systemd && \
	    $(SED) -e 's|@bindir[@]|$(bindir)|g' -e 's|@sbindir[@]|$(sbindir)|g' '$(srcdir)/$@.in' >'$@'

tools/systemd/mendd.service: tools/systemd/mendd.service.in
tools/systemd/mendd.socket: tools/systemd/mendd.socket.in
tools/systemd/mendfs@.service: tools/systemd/mendfs@.service.in
tools/systemd/mendfs-scrub@.service: tools/systemd/mendfs-scrub@.service.in
tools/systemd/mendfs-scrub@.timer: tools/systemd/mendfs-scrub@.timer.in
