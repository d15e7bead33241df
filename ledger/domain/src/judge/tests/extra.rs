//! Changed histories beyond those of the cases themselves: `tests/cases/extra`, one file for each case.

use super::{cases_in, compare, compare_mutation, judged, step_of};

#[test]
fn every_further_mutation_is_judged_as_it_expects() {
    let mut wrong = Vec::new();
    let mut mutations = 0;
    for case in cases_in("tests/cases/extra") {
        let differences = compare(&case.expect, &judged(&case), &step_of(&case));
        wrong.extend(differences.iter().map(|difference| format!("{}: {difference}", case.case)));
        for mutation in &case.mutations {
            let mutated = case.mutated(mutation).unwrap_or_else(|error| panic!("{}: {error}", mutation.id));
            let differences = compare_mutation(&case.expect, mutation, &judged(&mutated), &step_of(&mutated));
            wrong.extend(differences.iter().map(|difference| format!("{}: {difference}", mutation.id)));
            mutations += 1;
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(mutations >= 100, "{mutations}");
}
