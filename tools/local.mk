# The companion programs and the developers' own.

dist_noinst_SCRIPTS += tools/deps tools/test tools/demo tools/demo-remote \
	tools/dev/check-layers tools/dev/check-headers tools/dev/lint \
	tools/dev/build-matrix

include tools/dev/local.mk

# Spoils replicas under load, for tests/integration.
check_PROGRAMS += tools/dev/flip
tools_dev_flip_SOURCES = tools/dev/flip.c

# mount.mendfs is mendfs under another name: it looks at what it was called.
# mount(8) seeks it in /sbin and /usr/sbin only, hence configure --prefix=/usr
# where `mount -t mendfs` is wanted.  The link is relative: it stays right in a
# DESTDIR.
install-exec-hook:
	$(MKDIR_P) '$(DESTDIR)$(sbindir)'
	ln -sfr "$(DESTDIR)$(bindir)/$$(echo mendfs | $(SED) '$(transform)')" \
	    "$(DESTDIR)$(sbindir)/$$(echo mount.mendfs | $(SED) '$(transform)')"

uninstall-hook:
	rm -f "$(DESTDIR)$(sbindir)/$$(echo mount.mendfs | $(SED) '$(transform)')"
