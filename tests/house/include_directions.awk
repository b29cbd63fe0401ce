# Reads lines "path:number:#include ..." and prints those that the two tables forbid.
function bad(why) {
  printf "%s:%s includes %s: %s\n", path, number, header, why
  failures++
}

function read_tables(   line, fields, names, i, count) {
  while ((getline line < parts) > 0) {
    if (line ~ /^#/ || line !~ /:/) continue
    split(line, fields, ":")
    known[fields[1]] = 1
    may[fields[1], fields[1]] = 1
    count = split(fields[2], names, " ")
    for (i = 1; i <= count; i++) may[fields[1], names[i]] = 1
  }
  while ((getline line < libraries) > 0) {
    if (line ~ /^#/ || split(line, fields, " ") != 2) continue
    library[++library_count] = fields[1]
    place[library_count] = fields[2]
  }
}

# A header of the project, written "folder/file.h".
function check_own(   owner, target, steps) {
  if (header ~ /(^|\/)\.\.\//) return bad("write it from src/ on, without ..")
  if (path !~ /^src\//) return
  split(path, steps, "/")
  owner = steps[2]
  split(header, steps, "/")
  target = steps[1]
  if (!(owner in known)) return bad("folder src/" owner " is not in tests/house/include_table.txt")
  if (!(target in known)) return bad("\"" target "\" is no folder of src/; includes start there")
  if (!((owner, target) in may)) return bad("src/" owner " may not know src/" target)
}

function check_library(   i) {
  for (i = 1; i <= library_count; i++)
    if (header ~ library[i] && path !~ place[i]) bad("that library is wrapped in " place[i])
}

BEGIN { read_tables() }

{
  match($0, /^[^:]*:[0-9]+:/)
  split(substr($0, 1, RLENGTH), where, ":")
  path = where[1]
  number = where[2]
  text = substr($0, RLENGTH + 1)
  seen++
  if (match(text, /"[^"]*"/)) {
    header = substr(text, RSTART + 1, RLENGTH - 2)
    check_own()
    check_library()
  } else if (match(text, /<[^>]*>/)) {
    header = substr(text, RSTART + 1, RLENGTH - 2)
    check_library()
  }
}

END {
  if (!library_count || !("common" in known)) { print "include_directions: a table is missing or empty"; exit 1 }
  printf "include_directions: %d includes, %d against the rules\n", seen, failures
  exit failures > 0 || seen == 0
}
