package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag that takes one of AWS's words, in capitals or not.
type choice[T ~string] struct {
	value *T
	words []T
}

func (c choice[T]) String() string {
	if c.value == nil {
		return ""
	}
	return string(*c.value)
}

func (c choice[T]) Type() string { return "word" }

// Set makes choice a flag.
func (c choice[T]) Set(s string) error {
	for _, word := range c.words {
		if strings.EqualFold(s, string(word)) {
			*c.value = word
			return nil
		}
	}
	return fmt.Errorf("must be one of %s", join(c.words, ", "))
}

// choiceFlag gives cmd a flag that takes one of these words and completes them.
func choiceFlag[T ~string](cmd *cobra.Command, value *T, name, usage string, words []T) {
	cmd.Flags().Var(choice[T]{value, words}, name, usage)
	completeWords(cmd, name, words)
}

// choices is a flag that takes several of AWS's words, separated by commas or
// repeated.
type choices[T ~string] struct {
	values *[]T
	words  []T
}

func (c choices[T]) String() string { return "" }
func (c choices[T]) Type() string   { return "words" }

// Set makes choices a flag. A word given twice counts once.
func (c choices[T]) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		var word T
		if err := (choice[T]{&word, c.words}).Set(strings.TrimSpace(part)); err != nil {
			return err
		}
		if !slices.Contains(*c.values, word) {
			*c.values = append(*c.values, word)
		}
	}
	return nil
}

// choicesFlag is choiceFlag for several words.
func choicesFlag[T ~string](cmd *cobra.Command, values *[]T, name, usage string, words []T) {
	cmd.Flags().Var(choices[T]{values, words}, name, usage)
	completeWords(cmd, name, words)
}

func completeWords[T ~string](cmd *cobra.Command, flag string, words []T) {
	completions := make([]cobra.Completion, 0, len(words))
	for _, word := range words {
		completions = append(completions, string(word))
	}
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(completions, cobra.ShellCompDirectiveNoFileComp)))
}

// join is strings.Join for AWS's words.
func join[T ~string](words []T, between string) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(string(word))
	}
	return b.String()
}
