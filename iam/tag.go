package iam

import (
	"maps"
	"slices"
	"strings"
)

// A Tag is a key and a value on a user, role, policy or provider. Keys keep their
// case, and differ in more than that.
type Tag struct{ Key, Value string }

// tagged returns tags with more put over them.
func (s *Service) tagged(tags map[string]string, more []Tag) (map[string]string, error) {
	if err := checkTags(more); err != nil {
		return nil, err
	}
	out := untagged(tags, keysOf(more))
	for _, t := range more {
		out[t.Key] = t.Value
	}
	if len(out) > s.limits.Tags {
		return nil, refuse(CodeLimitExceeded, "The number of tags has reached the maximum limit.")
	}
	return out, nil
}

// Tagged returns tags with more put over them, by the rules of all tags here, for
// things that other packages keep.
func (s *Service) Tagged(tags map[string]string, more []Tag) (map[string]string, error) {
	return s.tagged(tags, more)
}

// Untagged returns a copy of tags without those of keys, whatever their case.
func Untagged(tags map[string]string, keys []string) map[string]string { return untagged(tags, keys) }

// untagged returns a copy of tags without those of keys, whatever their case.
func untagged(tags map[string]string, keys []string) map[string]string {
	gone := make(map[string]bool, len(keys))
	for _, k := range keys {
		gone[strings.ToLower(k)] = true
	}
	out := make(map[string]string, len(tags))
	for k, v := range tags {
		if !gone[strings.ToLower(k)] {
			out[k] = v
		}
	}
	return out
}

func keysOf(tags []Tag) []string {
	keys := make([]string, len(tags))
	for i, t := range tags {
		keys[i] = t.Key
	}
	return keys
}

func checkTags(tags []Tag) error {
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		key := strings.ToLower(t.Key)
		switch {
		case seen[key]:
			return refuse(CodeInvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case strings.HasPrefix(key, "aws:"):
			return refuse(CodeInvalidInput, "Tag keys beginning with 'aws:' are reserved for internal use.")
		}
		seen[key] = true
	}
	return nil
}

// Tags lists tags by their keys.
func Tags(tags map[string]string) []Tag {
	out := make([]Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, Tag{k, tags[k]})
	}
	return out
}

// PageOfTags is one page of the tags of a thing, known by its ARN.
func PageOfTags(arn string, tags map[string]string, p Page) ([]Tag, string, error) {
	return pageOf(Tags(tags), "tags/"+arn, p, func(t Tag) string { return t.Key })
}
