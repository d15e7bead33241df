package example;

/** An answer is not what was asked for, or is not proved. Nobody should rely on it. */
final class Unproved extends RuntimeException {
    private static final long serialVersionUID = 1;

    Unproved(String what) {
        super(what);
    }

    static void require(boolean holds, String what) {
        if (!holds) {
            throw new Unproved(what);
        }
    }
}
