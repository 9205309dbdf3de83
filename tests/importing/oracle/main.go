// Says what json_exporter would expose for a body, with the JSONPath library that it uses.
//
// It reads cases from standard input, JSON objects {"metrics": [...], "body": "..."}, one to a line, where metrics are
// those of a module of json_exporter's config, and writes for each a line: the samples that it finds, as a list of
// {"name", "labels", "value", "timestamp"}. Values are texts, as Go writes them.
//
// Source of what is done in which order: json_exporter 0.7, exporter/collector.go and exporter/util.go.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math"
	"os"
	"sort"
	"strconv"

	"k8s.io/client-go/util/jsonpath"
)

type metric struct {
	Name, Path, Type, EpochTimestamp string
	Labels, Values                   map[string]string
}

type question struct {
	Metrics []metric
	Body    string
}

type sample struct {
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"`
	Value     string            `json:"value"`
	Timestamp *int64            `json:"timestamp"`
}

func extract(document any, path string, asJSON bool) (string, bool) {
	reader := jsonpath.New("path")
	reader.EnableJSONOutput(asJSON)
	if reader.Parse(path) != nil {
		return "", false
	}
	var out bytes.Buffer
	if reader.Execute(&out, document) != nil {
		return "", false
	}
	if plain, err := jsonpath.UnquoteExtend(out.String()); err == nil {
		return plain, true
	}
	return out.String(), true
}

func number(text string) (float64, bool) {
	if value, err := strconv.ParseFloat(text, 64); err == nil {
		return value, true
	}
	if value, err := strconv.ParseBool(text); err == nil {
		if value {
			return 1, true
		}
		return 0, true
	}
	return math.NaN(), text == "<nil>"
}

func take(samples []sample, m metric, name, path string, document any) []sample {
	text, ok := extract(document, path, false)
	if !ok {
		return samples
	}
	value, ok := number(text)
	if !ok {
		return samples
	}
	found := sample{Name: name, Labels: map[string]string{}, Value: strconv.FormatFloat(value, 'g', -1, 64)}
	for label, template := range m.Labels {
		if text, _ := extract(document, template, false); text != "" {
			found.Labels[label] = text
		}
	}
	if m.EpochTimestamp != "" {
		if text, ok := extract(document, m.EpochTimestamp, false); ok {
			if stamp, err := strconv.ParseInt(text, 10, 64); err == nil {
				found.Timestamp = &stamp
			}
		}
	}
	return append(samples, found)
}

func answer(q question) []sample {
	samples := []sample{}
	var document any
	if json.Unmarshal([]byte(q.Body), &document) != nil {
		return samples
	}
	for _, m := range q.Metrics {
		if m.Type != "object" {
			samples = take(samples, m, m.Name, m.Path, document)
			continue
		}
		text, ok := extract(document, m.Path, true)
		var rows []any
		if !ok || json.Unmarshal([]byte(text), &rows) != nil {
			continue
		}
		names := []string{}
		for name := range m.Values {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			for _, row := range rows {
				samples = take(samples, m, m.Name+"_"+name, m.Values[name], row)
			}
		}
	}
	return samples
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			panic(err)
		}
		if err := out.Encode(answer(q)); err != nil {
			panic(err)
		}
	}
}
