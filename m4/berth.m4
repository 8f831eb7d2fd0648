# BERTH_ADD_FLAGS(VARIABLE, FLAGS): append each flag that the compiler accepts.
AC_DEFUN([BERTH_ADD_FLAGS], [
  $1=
  for berth_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether $CC accepts $berth_flag])
    berth_save=$CFLAGS
    CFLAGS="$CFLAGS -Werror $berth_flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[]], [[]])],
      [AC_MSG_RESULT([yes]); $1="$$1 $berth_flag"], [AC_MSG_RESULT([no])])
    CFLAGS=$berth_save
  done
])
