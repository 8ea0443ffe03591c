//! What is sent: steps of a work item, their payload templates, and the numbers written into them.

use memchr::memmem::Finder;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Digits of a number in a payload, zeros in front.
pub const NUMBER_DIGITS: usize = 12;

/// Steps that a work item may have.
pub const MAX_STEPS: usize = 8;

/// gRPC's length-prefixed message: a flag byte and four of length.
pub const MESSAGE_PREFIX_BYTES: usize = 5;

/// `holdfast_bench.generator.Patch`.
#[derive(FromPyObject, Clone, Copy)]
struct PatchSpec {
    offset: usize,
    step: usize,
    slot: u64,
    modulo: u64,
}

/// `holdfast_bench.generator.Step`.
#[derive(FromPyObject)]
pub struct StepSpec {
    path: String,
    template: Vec<u8>,
    patches: Vec<PatchSpec>,
    number_count: u64,
    stream: bool,
    expect: Vec<u8>,
    expect_count: usize,
}

/// One call of a work item.
pub struct Step {
    pub path: Vec<u8>,
    /// Whether the payload is a message on a bidirectional stream, not a call of its own.
    pub stream: bool,
    pub number_count: u64,
    message: Vec<u8>,
    patches: Vec<PatchSpec>,
    expect: Option<Finder<'static>>,
    expect_count: usize,
}

/// The first number of each step of one work item.
pub type Numbers = [u64; MAX_STEPS];

impl Step {
    fn new(index: usize, spec: StepSpec) -> PyResult<Self> {
        for patch in &spec.patches {
            let fits = patch.offset + NUMBER_DIGITS <= spec.template.len();
            if !fits || patch.step > index {
                let message =
                    format!("step {index}: a patch is outside its template or of a later step");
                return Err(PyValueError::new_err(message));
            }
        }
        let finder = Finder::new(&spec.expect).into_owned();
        Ok(Self {
            path: spec.path.into_bytes(),
            stream: spec.stream,
            number_count: spec.number_count,
            message: prefixed(&spec.template),
            patches: spec.patches,
            expect: (!spec.expect.is_empty()).then_some(finder),
            expect_count: spec.expect_count,
        })
    }

    /// Appends the length-prefixed message of one work item.
    pub fn write(&self, numbers: &Numbers, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.message);
        for patch in &self.patches {
            let number = numbers[patch.step] + patch.slot;
            let shown = number.checked_rem(patch.modulo).unwrap_or(number);
            let at = start + MESSAGE_PREFIX_BYTES + patch.offset;
            write_number(shown, &mut out[at..at + NUMBER_DIGITS]);
        }
    }

    /// Whether an answer has what was expected of it, often enough.
    pub fn is_expected(&self, answer: &[u8]) -> bool {
        let Some(finder) = &self.expect else {
            return true;
        };
        match self.expect_count {
            0 => answer.starts_with(finder.needle()),
            count => finder.find_iter(answer).take(count).count() == count,
        }
    }
}

/// Checks and takes over the steps of a work item.
pub fn read_steps(specs: Vec<StepSpec>) -> PyResult<Vec<Step>> {
    if specs.is_empty() || specs.len() > MAX_STEPS {
        let message = format!("a work item has 1 to {MAX_STEPS} steps");
        return Err(PyValueError::new_err(message));
    }
    let steps = specs.into_iter().enumerate();
    steps.map(|(index, spec)| Step::new(index, spec)).collect()
}

/// A payload with gRPC's prefix in front.
pub fn prefixed(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a payload is below 4 GiB");
    let mut message = Vec::with_capacity(MESSAGE_PREFIX_BYTES + payload.len());
    message.push(0);
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(payload);
    message
}

fn write_number(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_width() {
        let mut digits = [b'x'; NUMBER_DIGITS];
        write_number(120_034, &mut digits);
        assert_eq!(&digits, b"000000120034");
    }
}
