package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// A result is what bench prints of a case.
type result struct {
	Case        string  `json:"case"`
	Ratio       float64 `json:"ratio"` // median of pipeline CPU / floor CPU, pair by pair
	Low         float64 `json:"low"`   // of the interval of the median
	High        float64 `json:"high"`
	Target      float64 `json:"target,omitzero"` // of the ratio; none for rules, whose target is a time
	Pairs       int     `json:"pairs"`
	Records     int64   `json:"records"`
	FloorCPU    float64 `json:"floor_cpu_s_per_million"`
	PipelineCPU float64 `json:"millrace_cpu_s_per_million"`
	FloorRSS    float64 `json:"floor_rss_mib"`
	PipelineRSS float64 `json:"millrace_rss_mib"`

	// Of the cases with S3: medians, and what the last pair's pipeline asked for, of any stub.
	FloorS3    *s3Result        `json:"floor_s3,omitempty"`
	PipelineS3 *s3Result        `json:"millrace_s3,omitempty"`
	Requests   map[string]int64 `json:"millrace_requests,omitempty"`

	// Of the cases with DynamoDB and EventBridge: medians.
	FloorCalls    *callResult `json:"floor_calls,omitempty"`
	PipelineCalls *callResult `json:"millrace_calls,omitempty"`
}

// An s3Result is what one side asked of the S3 stub.
type s3Result struct {
	Objects     float64 `json:"objects"` // with data
	MiB         float64 `json:"mib"`
	PerObject   float64 `json:"requests_per_object"` // to bring its data
	Others      float64 `json:"other_requests"`      // for links, and at the start
	FirstObject float64 `json:"first_object_s"`      // from the start of the process until the first object can be read
}

// A callResult is what one side asked of the stub of DynamoDB and EventBridge.
type callResult struct {
	PerSecond  float64 `json:"messages_per_s"` // from the start of the process until the last answer
	Share      float64 `json:"share"`          // of callsInFlight x batch / callLatency, from the first request with items until the last answer
	Requests   float64 `json:"requests"`
	PerRequest float64 `json:"items_per_request"`
	InFlight   float64 `json:"most_in_flight"`
}

// A sample is what one process used.
type sample struct {
	cpu, rss float64
	s3       usage
	calls    callUsage
	began    time.Time
}

// measure runs the pairs of a case, in changing order.
func measure(ctx context.Context, s settings, c benchCase, progress io.Writer) (result, error) {
	r := result{Case: c.name, Target: c.target, Pairs: s.pairs, Records: c.records(s.records)}
	var ratios, floorCPU, pipeCPU, floorRSS, pipeRSS []float64
	var floors, pipes []sample
	// One pair more, which isn't counted, warms the broker's page cache.
	for i := -1; i < s.pairs; i++ {
		roles := []string{"floor", "pipeline"}
		if i%2 != 0 {
			slices.Reverse(roles)
		}
		got := map[string]sample{}
		for _, role := range roles {
			var err error
			if got[role], err = spawn(ctx, s, c, role, i); err != nil {
				return r, fmt.Errorf("%s, pair %d: %w", role, i+1, err)
			}
		}
		if i < 0 {
			continue
		}
		f, p := got["floor"], got["pipeline"]
		ratios = append(ratios, p.cpu/f.cpu)
		floorCPU, pipeCPU = append(floorCPU, f.cpu), append(pipeCPU, p.cpu)
		floorRSS, pipeRSS = append(floorRSS, f.rss), append(pipeRSS, p.rss)
		floors, pipes = append(floors, f), append(pipes, p)
		fmt.Fprintf(progress, "%-14s pair %2d of %d: floor %.2f s, millrace %.2f s of CPU, ratio %.3f\n", c.name, i+1, s.pairs, f.cpu, p.cpu, p.cpu/f.cpu)
	}
	million := float64(r.Records) / 1e6
	r.Ratio = median(ratios)
	r.Low, r.High = interval(ratios)
	r.FloorCPU, r.PipelineCPU = round(median(floorCPU)/million), round(median(pipeCPU)/million)
	r.FloorRSS, r.PipelineRSS = round(median(floorRSS)), round(median(pipeRSS))
	r.Ratio, r.Low, r.High = round(r.Ratio), round(r.Low), round(r.High)
	r.FloorS3, r.PipelineS3 = s3Medians(floors), s3Medians(pipes)
	if r.PipelineS3 != nil {
		r.Requests = pipes[len(pipes)-1].s3.requests
	}
	if c.calls != nil {
		r.FloorCalls, r.PipelineCalls = callMedians(floors, c.calls.batch), callMedians(pipes, c.calls.batch)
		r.Requests = pipes[len(pipes)-1].calls.requests
	}
	return r, nil
}

// s3Medians is nil if no object was written.
func s3Medians(samples []sample) *s3Result {
	var objects, mib, requests, others, first []float64
	for i := range samples {
		u := &samples[i].s3
		if u.objects == 0 {
			return nil
		}
		var data, other int64
		for kind, n := range u.requests {
			switch kind {
			case reqPut, reqCreate, reqPart, reqComplete:
				data += n
			default:
				other += n
			}
		}
		objects = append(objects, float64(u.objects))
		mib = append(mib, float64(u.bytes)/(1<<20))
		requests = append(requests, float64(data)/float64(u.objects))
		others = append(others, float64(other))
		first = append(first, u.first.Sub(samples[i].began).Seconds())
	}
	if len(samples) == 0 {
		return nil
	}
	return &s3Result{
		Objects: median(objects), MiB: round(median(mib)), PerObject: round(median(requests)), Others: median(others),
		FirstObject: round(median(first)),
	}
}

// callMedians is of samples that have sent something.
func callMedians(samples []sample, batch int) *callResult {
	var perSecond, share, requests, perRequest, inFlight []float64
	for i := range samples {
		u := &samples[i].calls
		var sent int64
		for operation, n := range u.requests {
			if carries(operation) {
				sent += n
			}
		}
		items := float64(u.items)
		perSecond = append(perSecond, items/u.last.Sub(samples[i].began).Seconds())
		limit := callsInFlight * float64(batch) / callLatency.Seconds()
		share = append(share, items/u.last.Sub(u.first).Seconds()/limit)
		requests = append(requests, float64(sent))
		perRequest = append(perRequest, items/float64(sent))
		inFlight = append(inFlight, float64(u.most))
	}
	return &callResult{
		PerSecond: math.Round(median(perSecond)), Share: round(median(share)), Requests: median(requests), PerRequest: round(median(perRequest)),
		InFlight: median(inFlight),
	}
}

func round(f float64) float64 { return math.Round(f*1000) / 1000 }

// spawn runs one child and reads what it used from the kernel.
func spawn(ctx context.Context, s settings, c benchCase, role string, pair int) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return sample{}, err
	}
	dir, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(dir)
	bucket, err := newStub()
	if err != nil {
		return sample{}, err
	}
	defer bucket.close()
	services, err := newCallStub()
	if err != nil {
		return sample{}, err
	}
	defer services.close()
	on, records := c.data, c.records(s.records)
	if role == "floor" && c.floorOn != "" {
		on = c.floorOn
	}
	args := []string{"--child", role, "--case", c.name, "--topic", topicOf(on, records), "--brokers", s.brokers, "--redis", s.redis, "--s3", bucket.url,
		"--aws", services.url, "--dir", dir, "--records", strconv.FormatInt(records, 10)}
	if s.profile != "" && pair == s.pairs-1 {
		args = append(args, "--profile", filepath.Join(s.profile, c.name+"-"+role+".prof"))
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return sample{}, err
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	rss := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	called := services.usage()
	if c.calls != nil && called.items != records {
		return sample{}, fmt.Errorf("the service has %d items of %d records", called.items, records)
	}
	return sample{cpu: cpu.Seconds(), rss: float64(rss) / 1024, s3: bucket.usage(), calls: called, began: began}, nil
}

func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// interval is the shortest pair of order statistics that holds the median with at least 95 % probability, whatever the
// distribution (sign test); all of the range for fewer than six values.
func interval(xs []float64) (low, high float64) {
	s := slices.Sorted(slices.Values(xs))
	n := len(s)
	k := 0
	for tail := 0.0; k < n/2; k++ {
		tail += binomial(n, k) * math.Pow(0.5, float64(n))
		if 2*tail > 0.05 {
			break
		}
	}
	k = max(0, k-1)
	return s[k], s[n-1-k]
}

func binomial(n, k int) float64 {
	b := 1.0
	for i := range k {
		b = b * float64(n-i) / float64(i+1)
	}
	return b
}
