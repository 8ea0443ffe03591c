/** A path that is no view. */
import { Head } from "../parts/basics";

/** Says so. */
export function NowhereView() {
  return (
    <>
      <Head title="Nothing here" />
      <p>
        There is no such view. <a href="/">Go to the overview.</a>
      </p>
    </>
  );
}
