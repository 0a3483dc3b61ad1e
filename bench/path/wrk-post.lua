-- Arguments behind `--`: the content type, and a file with the body of every request. Prints its figures as JSON.
local request_text
function init(args)
  local file = assert(io.open(args[2], "rb"))
  local body = file:read("*a")
  file:close()
  request_text = wrk.format("POST", nil, { ["content-type"] = args[1] }, body)
end
function request()
  return request_text
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'figures {"elapsedMs":%f,"requests":%d,"failed":%d,"p50Ms":%f,"p99Ms":%f,"maxMs":%f}\n',
    summary.duration / 1000, summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
