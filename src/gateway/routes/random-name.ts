const adjectives = "amber bold brisk calm clever crisp daring deft eager early fleet fond gentle glad golden hardy hazel jolly keen kind lively lofty lucid mellow merry nimble noble patient plucky proud quick quiet rosy sage serene silver sleek snug steady sunny swift tidy vivid warm wise witty".split(" ");
const birds = "avocet bittern brant bunting canary condor coot cormorant crane curlew dipper dove duck egret eider falcon finch gannet goose grebe harrier hawk heron ibis jackdaw jay kestrel kite lapwing lark linnet loon magpie martin merlin osprey ouzel owl pelican petrel pipit plover puffin raven robin rook sandpiper shrike siskin skua snipe sparrow starling stork swallow swan swift teal tern thrush wagtail warbler wigeon wren".split(" ");

/** A name for a container whose maker gave none; `random` is below 1. */
export function randomName(random: () => number, attempt: number): string {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)]!;
  return `${pick(adjectives)}_${pick(birds)}${attempt > 0 ? Math.floor(random() * 10 ** attempt) : ""}`;
}
