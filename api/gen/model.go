package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// model is a service model of botocore, as far as it is used here.
type model struct {
	Metadata   metadata           `json:"metadata"`
	Operations ordered[operation] `json:"operations"`
	Shapes     ordered[*shape]    `json:"shapes"`
}

type metadata struct {
	APIVersion      string   `json:"apiVersion"`
	EndpointPrefix  string   `json:"endpointPrefix"`
	EventSource     string   `json:"eventSource"` // our own models only
	SigningName     string   `json:"signingName"`
	Protocol        string   `json:"protocol"`
	ServiceFullName string   `json:"serviceFullName"`
	ServiceID       string   `json:"serviceId"`
	TargetPrefix    string   `json:"targetPrefix"`
	TargetAliases   []string `json:"targetAliases"` // additions only
	XMLNamespace    string   `json:"xmlNamespace"`
}

// eventSource is what CloudTrail calls the service.
func (md *metadata) eventSource() string {
	return cmp.Or(md.EventSource, md.EndpointPrefix+".amazonaws.com")
}

type operation struct {
	Name     string `json:"name"`
	Input    *ref   `json:"input"`
	Output   *ref   `json:"output"`
	Errors   []ref  `json:"errors"`
	AuthType string `json:"authtype"`
}

type ref struct {
	Shape         string `json:"shape"`
	ResultWrapper string `json:"resultWrapper"`
}

type shape struct {
	Type      string       `json:"type"`
	Members   ordered[ref] `json:"members"`
	Required  []string     `json:"required"`
	Member    ref          `json:"member"` // of a list
	Key       ref          `json:"key"`    // of a map
	Value     ref          `json:"value"`  // of a map
	Min       *int64       `json:"min"`
	Max       *int64       `json:"max"`
	Pattern   string       `json:"pattern"`
	RE2       string       `json:"re2"` // additions only
	Enum      []string     `json:"enum"`
	Sensitive bool         `json:"sensitive"`
	Exception bool         `json:"exception"`
	Fault     bool         `json:"fault"`
	Error     *struct {
		Code           string `json:"code"`
		HTTPStatusCode int    `json:"httpStatusCode"`
	} `json:"error"`
}

// load reads NAME.json and merges NAME-additions.json into it.
func load(dir, name string) (*model, error) {
	var m, add model
	if err := read(filepath.Join(dir, name+".json"), &m); err != nil {
		return nil, err
	}
	if err := read(filepath.Join(dir, name+"-additions.json"), &add); err != nil {
		return nil, err
	}
	return &m, m.merge(&add)
}

func read(path string, m *model) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, m); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// merge adds operations, shapes, members and enum values, replaces what a shape
// requires, and lets a shape be longer than in the model. It refuses to add what is there already, so that additions
// are dropped once a newer model has them.
func (m *model) merge(add *model) error {
	m.Metadata.TargetAliases = add.Metadata.TargetAliases
	for _, name := range add.Operations.names {
		if !m.Operations.add(name, add.Operations.get(name)) {
			return fmt.Errorf("operation %s: in the model already", name)
		}
	}
	for _, name := range add.Shapes.names {
		extra := add.Shapes.get(name)
		if m.Shapes.add(name, extra) {
			continue
		}
		if err := m.Shapes.get(name).merge(extra); err != nil {
			return fmt.Errorf("shape %s: %w", name, err)
		}
	}
	return nil
}

func (s *shape) merge(add *shape) error {
	if add.Type != "" || s.Sensitive && add.Sensitive {
		return errors.New("in the model already")
	}
	for _, name := range add.Members.names {
		if !s.Members.add(name, add.Members.get(name)) {
			return fmt.Errorf("member %s: in the model already", name)
		}
	}
	for _, v := range add.Enum {
		if slices.Contains(s.Enum, v) {
			return fmt.Errorf("value %s: in the model already", v)
		}
		s.Enum = append(s.Enum, v)
	}
	if add.Required != nil {
		s.Required = add.Required
	}
	if add.Max != nil {
		if s.Max == nil || *s.Max >= *add.Max {
			return fmt.Errorf("length %d: in the model already", *add.Max)
		}
		s.Max = add.Max
	}
	s.Sensitive = s.Sensitive || add.Sensitive
	s.RE2 = add.RE2
	return nil
}

// ordered is a JSON object that keeps the order of its names: that of the
// model is the order of fields, and so of everything generated.
type ordered[T any] struct {
	names  []string
	values map[string]T
}

func (o *ordered[T]) get(name string) T { return o.values[name] }

// add puts a value under a new name and reports whether the name was new.
func (o *ordered[T]) add(name string, v T) bool {
	if _, ok := o.values[name]; ok {
		return false
	}
	if o.values == nil {
		o.values = make(map[string]T)
	}
	o.names = append(o.names, name)
	o.values[name] = v
	return true
}

// UnmarshalJSON reads an object, refusing duplicate names.
func (o *ordered[T]) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return fmt.Errorf("%v: %w", name, err)
		}
		if !o.add(name.(string), v) {
			return fmt.Errorf("%v: duplicate name", name)
		}
	}
	return nil
}
