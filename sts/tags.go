package sts

import (
	"maps"
	"strings"

	"github.com/keyd-hsm/keyd/iam"
)

// Tag is a session tag. Its key is the same tag in any case.
type Tag struct{ Key, Value string }

// maxTags bounds the tags of a session, those that were handed on included.
const maxTags = 50

// checkTags refuses a key that is there twice, a transitive key without a tag,
// and a tag that the caller's session hands on already.
func checkTags(caller iam.Principal, tags []Tag, transitive []string) error {
	keys := make(map[string]bool, len(tags))
	for _, t := range tags {
		k := strings.ToLower(t.Key)
		if keys[k] {
			return refuse(CodeInvalidParameter, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		keys[k] = true
	}
	for _, k := range transitive {
		if !keys[strings.ToLower(k)] {
			return refuse(CodeInvalidParameter, "The specified transitive tag key must be included in the requested tags.")
		}
	}
	handed := 0
	if caller.Session != nil {
		handed = len(caller.Session.Transitive)
		for _, k := range caller.Session.Transitive {
			if keys[strings.ToLower(k)] {
				return refuse(CodeInvalidParameter, "One of the specified transitive tag keys can't be set because "+
					"it conflicts with a transitive tag key from the calling session.")
			}
		}
	}
	if handed+len(tags) > maxTags {
		return refuse(iam.CodeValidation, "1 validation error detected: Value at 'tags' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", maxTags)
	}
	return nil
}

// sessionTags are the tags of a session that the caller makes: those of the
// request, and those that the caller's session hands on, which go on further.
func sessionTags(caller iam.Principal, tags []Tag, transitive []string) (all map[string]string, goOn []string) {
	all = make(map[string]string)
	if caller.Session != nil {
		for _, k := range caller.Session.Transitive {
			if v, ok := lookup(caller.Tags, k); ok {
				all[k] = v
				goOn = append(goOn, k)
			}
		}
	}
	maps.Insert(all, func(yield func(string, string) bool) {
		for _, t := range tags {
			if !yield(t.Key, t.Value) {
				return
			}
		}
	})
	return all, append(goOn, transitive...)
}
