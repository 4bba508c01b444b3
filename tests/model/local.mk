# Random operations held against a model in memory; shares no code with src/.

check_PROGRAMS += tests/model/oracle
tests_model_oracle_SOURCES = \
	tests/model/acl.c tests/model/acl.h \
	tests/model/all_spoiled.c \
	tests/model/bytes.c tests/model/bytes.h \
	tests/model/check.c \
	tests/model/full.c \
	tests/model/model.c tests/model/model.h \
	tests/model/op_attr.c \
	tests/model/op_data.c \
	tests/model/op_map.c \
	tests/model/op_names.c \
	tests/model/op_open.c \
	tests/model/oracle.c tests/model/oracle.h \
	tests/model/pick.c \
	tests/model/replicas.c \
	tests/model/report.c \
	tests/model/spoil.c

dist_noinst_SCRIPTS += tests/model/run
