# src/volume: one file tree over N replicas
noinst_LIBRARIES += src/volume/libvolume.a
src_volume_libvolume_a_SOURCES = \
	src/volume/attrs.c src/volume/attrs.h \
	src/volume/awaited.c src/volume/awaited.h \
	src/volume/away.c src/volume/away.h \
	src/volume/blocks.c src/volume/blocks.h \
	src/volume/change.c src/volume/change.h \
	src/volume/dir.c src/volume/dir.h \
	src/volume/edits.c src/volume/edits.h \
	src/volume/enroll.c src/volume/enroll.h \
	src/volume/events.c src/volume/events.h \
	src/volume/examine.c \
	src/volume/explain.c src/volume/explain.h \
	src/volume/explain_data.c \
	src/volume/explain_names.c \
	src/volume/explain_private.h \
	src/volume/file.c src/volume/file.h \
	src/volume/files.c src/volume/files.h \
	src/volume/form.c \
	src/volume/handles.c src/volume/handles.h \
	src/volume/ids.c src/volume/ids.h \
	src/volume/load.c src/volume/load.h \
	src/volume/look.c src/volume/look.h \
	src/volume/members.c src/volume/members.h \
	src/volume/membership.c \
	src/volume/missed.c src/volume/missed.h \
	src/volume/mount.c src/volume/mount.h \
	src/volume/moves.c src/volume/moves.h \
	src/volume/names.c src/volume/names.h \
	src/volume/namesop.c src/volume/namesop.h \
	src/volume/node.h \
	src/volume/nodes.c src/volume/nodes.h \
	src/volume/pages.c src/volume/pages.h \
	src/volume/patrol.c src/volume/patrol.h \
	src/volume/purge.c \
	src/volume/read.c \
	src/volume/records.c src/volume/records.h \
	src/volume/reconcile.c src/volume/reconcile.h \
	src/volume/rolls.c src/volume/rolls.h \
	src/volume/resync.c src/volume/resync.h \
	src/volume/resync_file.c \
	src/volume/resync_keep.c src/volume/resync_links.c \
	src/volume/resync_names.c \
	src/volume/resync_orphans.c src/volume/resync_ours.c \
	src/volume/resync_park.c src/volume/resync_place.c \
	src/volume/resync_seal.c \
	src/volume/resync_private.h \
	src/volume/room.c src/volume/room.h \
	src/volume/scrub.c src/volume/scrub.h \
	src/volume/scrub_data.c src/volume/scrub_mend.c src/volume/scrub_names.c \
	src/volume/scrub_prove.c src/volume/scrub_walk.c \
	src/volume/scrub_private.h \
	src/volume/settle.c src/volume/settle.h \
	src/volume/show.h \
	src/volume/spots.c src/volume/spots.h \
	src/volume/state.h \
	src/volume/status.c src/volume/status.h \
	src/volume/store.c src/volume/store.h \
	src/volume/torn.c src/volume/torn.h \
	src/volume/volume.c src/volume/volume.h \
	src/volume/walk.c src/volume/walk.h \
	src/volume/ways.c src/volume/ways.h \
	src/volume/write.c src/volume/write.h \
	src/volume/xattrs.c src/volume/xattrs.h
