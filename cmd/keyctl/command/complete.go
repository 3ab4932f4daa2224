package command

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"
)

// completionTime bounds what a press of the tab key may cost.
const completionTime = 2 * time.Second

func newCompletion(c *cli) *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "A script that makes the shell complete commands, keys and aliases",
		Example:   "  source <(keyctl completion bash)\n  keyctl completion fish > ~/.config/fish/completions/keyctl.fish",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.running = true
			return completion(cmd.Root(), args[0], c.out)
		},
	}
}

func completion(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	}
	return root.GenFishCompletion(w, true)
}

// keyFlag makes a flag complete keys and aliases.
func (c *cli) keyFlag(cmd *cobra.Command, name string) {
	must(cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c.keyNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
	}))
}

// completeKey completes keys and aliases at these places of the arguments, and
// files elsewhere.
func (c *cli) completeKey(places ...int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if !slices.Contains(places, len(args)) {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return c.keyNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
	}
}

// keyNames returns the first page of aliases and key ids; nothing, silently,
// if keyd does not answer in time.
func (c *cli) keyNames(ctx context.Context) []cobra.Completion {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	cl, err := c.connect(ctx)
	if err != nil {
		return nil
	}
	var names []cobra.Completion
	if page, err := cl.kms.ListAliases(ctx, &kms.ListAliasesInput{}); err == nil {
		for _, alias := range page.Aliases {
			names = append(names, cobra.CompletionWithDesc(aws.ToString(alias.AliasName), aws.ToString(alias.TargetKeyId)))
		}
	}
	if page, err := cl.kms.ListKeys(ctx, &kms.ListKeysInput{}); err == nil {
		for _, key := range page.Keys {
			names = append(names, aws.ToString(key.KeyId))
		}
	}
	return names
}
