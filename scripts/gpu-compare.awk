# Two files of memlong-eval recall --rows, of the same questions: how many answers are the same, and
# how far apart the log-probabilities of the right ones are. Exit code 1 where fewer than `least`
# percent are.
function value(line, name, at, rest) {
  at = index(line, "\"" name "\":")
  if (at == 0) return "missing"
  rest = substr(line, at + length(name) + 3)
  if (substr(rest, 1, 1) == "[") return substr(rest, 1, index(rest, "]"))
  match(rest, /^[^,}]*/)
  return substr(rest, 1, RLENGTH)
}
FNR == NR {
  answer[FNR] = value($0, "argmax")
  set[FNR] = value($0, "retrieved")
  exact += value($0, "exact") == "true"
  probability[FNR] = value($0, "log_probability")
  rows = FNR
  next
}
{
  others = FNR
  answers += answer[FNR] == value($0, "argmax")
  sets += set[FNR] == value($0, "retrieved")
  others_exact += value($0, "exact") == "true"
  difference = probability[FNR] - value($0, "log_probability")
  if (difference < 0) difference = -difference
  if (difference > largest) largest = difference
}
END {
  if (rows == 0 || rows != others) {
    printf "%d and %d questions\n", rows, others
    exit 1
  }
  printf "%d of %d answers and %d sets are the same; exact %d and %d; log-probabilities differ by %.2g at most\n",
    answers, rows, sets, exact, others_exact, largest
  exit 100 * answers < least * rows
}
