// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"crisp/image"
	"crisp/server/admin"
)

// shortID is how many digits of an ID are printed.
const shortID = 12

func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), shortID)]
}

func listImages(ctx context.Context, c *imageCall) error {
	return c.with(ctx, func(images admin.Images) error {
		all, err := images.All(ctx)
		if err != nil {
			return err
		}
		if done, err := c.json(all); done {
			return err
		}
		w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "IMAGE\tID\tSIZE\tLAYERS\tPINNED")
		for _, line := range lines(all) {
			fmt.Fprintln(w, line)
		}
		return w.Flush()
	})
}

// lines are one for each name of an image, and one for an image without any.
func lines(all []*image.Image) []string {
	var out []string
	for _, im := range all {
		names := im.RepoTags
		if len(names) == 0 {
			names = im.RepoDigests
		}
		if len(names) == 0 {
			names = []string{"-"}
		}
		pinned := ""
		if im.Pinned {
			pinned = "yes"
		}
		for _, n := range names {
			out = append(out, fmt.Sprintf("%s\t%s\t%s\t%d\t%s", n, short(im.ID), size(int64(im.Size)), len(im.Layers), pinned))
		}
	}
	slices.Sort(out)
	return out
}

// size is a number of bytes for people: "1.5 MB".
func size(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.95 && unit < len(units)-1 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", f, units[unit])
}

func removeImages(ctx context.Context, c *imageCall) error {
	return c.with(ctx, func(images admin.Images) error {
		for _, ref := range c.args {
			if _, err := images.Find(ctx, ref); err != nil {
				return err
			}
			if err := images.Remove(ctx, ref); err != nil {
				return err
			}
			if c.format == "text" {
				fmt.Fprintln(c.out, ref)
			}
		}
		return nil
	})
}

func inspectImages(ctx context.Context, c *imageCall) error {
	c.format = "json"
	return c.with(ctx, func(images admin.Images) error {
		var found []*image.Image
		for _, ref := range c.args {
			im, err := images.Find(ctx, ref)
			if err != nil {
				return err
			}
			found = append(found, im)
		}
		_, err := c.json(found)
		return err
	})
}

func imageHistory(ctx context.Context, c *imageCall) error {
	return c.with(ctx, func(images admin.Images) error {
		im, err := images.Find(ctx, c.args[0])
		if err != nil {
			return err
		}
		if done, err := c.json(im.Config.History); done {
			return err
		}
		w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "CREATED\tLAYER\tBY")
		layer := len(im.Layers)
		for _, h := range slices.Backward(im.Config.History) {
			created, id := "-", "-"
			if h.Created != nil {
				created = h.Created.UTC().Format(time.RFC3339)
			}
			if !h.EmptyLayer && layer > 0 {
				layer--
				id = short(im.Layers[layer].String())
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", created, id, printable(cmp.Or(h.CreatedBy, h.Comment, "-")))
		}
		return w.Flush()
	})
}

// printable makes an image's text fit for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func listTags(ctx context.Context, c *imageCall) error {
	tags, err := image.Tags(ctx, imageConfig(&c.config), c.args[0], nil)
	if err != nil {
		return err
	}
	if done, err := c.json(tags); done {
		return err
	}
	for _, t := range tags {
		fmt.Fprintln(c.out, printable(t))
	}
	return nil
}

func explainImage(ctx context.Context, c *imageCall) error {
	return c.with(ctx, func(images admin.Images) error {
		e, err := images.Explain(ctx, image.PullRequest{Ref: c.args[0]})
		if err != nil {
			return err
		}
		if done, err := c.json(e); done {
			return err
		}
		fmt.Fprintf(c.out, "platform  %s\n", e.Platform)
		for _, n := range e.Names {
			fmt.Fprintf(c.out, "name      %s\n", n.Name)
			if n.Here != "" {
				fmt.Fprintf(c.out, "here      %s\n", n.Here)
			}
			if n.Error != "" {
				fmt.Fprintf(c.out, "error     %s\n", n.Error)
				continue
			}
			fmt.Fprintf(c.out, "policy    %s\n", n.Policy)
			for i, h := range n.Hosts {
				kind := "registry"
				if h.Mirror {
					kind = "mirror"
				}
				fmt.Fprintf(c.out, "%d. %-8s %s\n   tags %v, content %v; TLS: %s, client certificate %v; credential: %s\n",
					i+1, kind, h.URL, h.Tags, h.Content, h.TLS, h.ClientCert, h.Credential)
			}
		}
		return nil
	})
}
