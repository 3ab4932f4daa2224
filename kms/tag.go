package kms

import (
	"maps"
	"slices"
	"strings"
)

// A Tag of a key.
type Tag struct{ Key, Value string }

// acceptTags checks the tags of a request.
func (s *Service) acceptTags(tags []Tag) (map[string]string, error) {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		if reservedTag(t.Key) {
			return nil, refuse(CodeTag, "Tags beginning with aws: are reserved")
		}
		if _, twice := m[t.Key]; twice {
			return nil, refuse(CodeTag, "Duplicate tag keys")
		}
		m[t.Key] = t.Value
	}
	return m, s.checkTagCount(len(m))
}

func (s *Service) checkTagCount(n int) error {
	if n > s.limits.TagsPerKey {
		return refuse(CodeLimitExceeded, "A key has at most %d tags.", s.limits.TagsPerKey)
	}
	return nil
}

func reservedTag(key string) bool { return strings.HasPrefix(strings.ToLower(key), "aws:") }

// TagResource adds tags to a key, in place of those of the same keys.
func (s *Service) TagResource(tx Tx, k *Key, tags []Tag) error {
	if err := k.Kept(); err != nil {
		return err
	}
	added, err := s.acceptTags(tags)
	if err != nil {
		return err
	}
	changed, err := changeKey(tx, k, func(k *Key) {
		if k.Tags == nil {
			k.Tags = make(map[string]string, len(added))
		}
		maps.Copy(k.Tags, added)
	})
	if err != nil {
		return err
	}
	return s.checkTagCount(len(changed.Tags))
}

// UntagResource removes the tags of those keys; keys that the key does not have
// are no error.
func (s *Service) UntagResource(tx Tx, k *Key, keys []string) error {
	if err := k.Kept(); err != nil {
		return err
	}
	if slices.ContainsFunc(keys, reservedTag) {
		return refuse(CodeTag, "Tags beginning with aws: are reserved")
	}
	_, err := changeKey(tx, k, func(k *Key) {
		for _, name := range keys {
			delete(k.Tags, name)
		}
	})
	return err
}

// ListTags lists tags of a key by their keys.
func (k *Key) ListTags(p Page) (tags []Tag, next string, err error) {
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	for _, name := range slices.Sorted(maps.Keys(k.Tags)) {
		if after != "" && name <= after {
			continue
		}
		if len(tags) == p.Limit {
			return tags, encodeMarker(tags[len(tags)-1].Key), nil
		}
		tags = append(tags, Tag{name, k.Tags[name]})
	}
	return tags, "", nil
}
