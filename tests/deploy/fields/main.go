// Command fields prints which fields the objects of the chart may have, and of which type, as JSON.
//
// It reads the Go types of Kubernetes and of the Prometheus Operator, so it needs their modules; what it prints is kept in
// ../fields.json, so that the tests need neither Go nor a network:
//
//	go mod tidy && go run . > ../fields.json
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
)

// types has, for each struct, its fields by their names in YAML; a field that must be there ends with "!".
var types = map[string]map[string]string{}

// reach gives the name of a type and adds it, and what it is made of, to types.
func reach(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return reach(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "string"
		}
		return "[]" + reach(t.Elem())
	case reflect.Map:
		return "{}" + reach(t.Elem())
	case reflect.Struct:
		return structure(t)
	case reflect.Bool, reflect.String:
		return t.Kind().String()
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint64:
		return "int"
	}
	return "any"
}

func structure(t reflect.Type) string {
	// Types that read themselves from a text or a number: quantities, ports, times.
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return "any"
	}
	parts := strings.Split(t.PkgPath(), "/")
	name := strings.Join(parts[max(0, len(parts)-2):], "/") + "." + t.Name()
	if _, known := types[name]; !known {
		types[name] = map[string]string{}
		add(t, types[name])
	}
	return name
}

func add(t reflect.Type, fields map[string]string) {
	for i := range t.NumField() {
		field := t.Field(i)
		tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "-" || !field.IsExported() {
			continue
		}
		if tag == "" && field.Anonymous {
			inner := field.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			add(inner, fields)
			continue
		}
		kind := reach(field.Type)
		if !strings.Contains(options, "omit") && field.Type.Kind() == reflect.String {
			kind += "!"
		}
		fields[tag] = kind
	}
}

func main() {
	kinds := map[string]string{}
	for version, objects := range map[string][]any{
		"v1":                       {core.ConfigMap{}, core.Secret{}, core.Service{}, core.ServiceAccount{}, core.PersistentVolumeClaim{}, core.Pod{}},
		"apps/v1":                  {apps.StatefulSet{}},
		"batch/v1":                 {batch.CronJob{}},
		"networking.k8s.io/v1":     {networking.NetworkPolicy{}},
		"monitoring.coreos.com/v1": {monitoring.ServiceMonitor{}, monitoring.PodMonitor{}, monitoring.PrometheusRule{}},
	} {
		for _, object := range objects {
			t := reflect.TypeOf(object)
			kinds[version+" "+t.Name()] = reach(t)
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(map[string]any{"kinds": kinds, "types": types}); err != nil {
		panic(err)
	}
}
