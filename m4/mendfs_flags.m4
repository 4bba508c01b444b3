# MENDFS_JOIN_FLAGS(VARIABLE, FLAGS)
# ----------------------------------
# Appends to VARIABLE each of FLAGS that the C compiler takes, at compiling and
# at linking, without a word.  -Werror makes clang refuse what it merely warns
# about (unknown warnings, arguments unused at linking); the user's CFLAGS take
# part in the trial and are left as they were.
AC_DEFUN([MENDFS_JOIN_FLAGS], [
	AC_LANG_ASSERT([C])
	mendfs_saved_CFLAGS=$CFLAGS
	for mendfs_flag in $2; do
		AS_VAR_PUSHDEF([CACHE], [mendfs_cv_flag_$mendfs_flag])
		AC_CACHE_CHECK([whether $CC takes $mendfs_flag], [CACHE], [
			CFLAGS="$mendfs_saved_CFLAGS -Werror $mendfs_flag"
			AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
			    [AS_VAR_SET([CACHE], [yes])],
			    [AS_VAR_SET([CACHE], [no])])
			CFLAGS=$mendfs_saved_CFLAGS
		])
		AS_VAR_IF([CACHE], [yes], [AS_VAR_APPEND([$1], [" $mendfs_flag"])])
		AS_VAR_POPDEF([CACHE])
	done
])

# MENDFS_IF_OPTIMISING(THEN, ELSE)
# --------------------------------
# Whether the user's CFLAGS optimise: without it _FORTIFY_SOURCE does nothing
# but warn.
AC_DEFUN([MENDFS_IF_OPTIMISING], [
	AC_CACHE_CHECK([whether CFLAGS optimise], [mendfs_cv_optimise], [
		AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#ifndef __OPTIMIZE__
#error not optimising
#endif
int main(void) { return 0; }
		]])], [mendfs_cv_optimise=yes], [mendfs_cv_optimise=no])
	])
	AS_IF([test "x$mendfs_cv_optimise" = xyes], [$1], [$2])
])
